import Foundation

/// A value that several threads share.
///
/// `@unchecked`: the compiler does not see that `value` is touched only while the lock is held. The `Mutex` of the standard
/// library needs newer systems than this package does.
final class Locked<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value

    init(_ value: Value) {
        self.value = value
    }

    func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }
}
