import Foundation

/// Threads for calls that block. None of them is a thread of Swift's concurrency pool, which has few and must not wait.
final class Lane: Sendable {
    private let queue = OperationQueue()

    /// A lane that works on at most `width` calls at a time.
    init(_ name: String, width: Int, quality: QualityOfService = .userInitiated) {
        queue.name = "roadbook.\(name)"
        queue.maxConcurrentOperationCount = width
        queue.qualityOfService = quality
    }

    /// Does `work` when its turn comes, whether or not the task is cancelled meanwhile. Throws ``BookError`` only.
    func run<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            queue.addOperation { continuation.resume(with: Self.outcome(of: work)) }
        }
    }

    /// How many calls wait for their turn.
    var waiting: Int { max(queue.operationCount - queue.maxConcurrentOperationCount, 0) }

    /// Does `work` some time, for nobody.
    func later(_ work: @escaping @Sendable () -> Void) {
        queue.addOperation(work)
    }

    /// Blocks until everything that was begun before has ended.
    func drain() {
        queue.waitUntilAllOperationsAreFinished()
    }

    private static func outcome<Value>(of work: () throws -> Value) -> Result<Value, any Error> {
        do {
            return .success(try work())
        } catch let error as BookError {
            return .failure(error)
        } catch {
            // A fault of the core or of the boundary. Its text may quote a record, so it stays here.
            return .failure(BookError.Internal(detail: "the core stopped a call"))
        }
    }
}

/// The lanes of one book.
struct Lanes: Sendable {
    /// Short reads; the core has a connection for each.
    let reads = Lane("reads", width: 4)
    /// Short writes and pages of sync: the core has one writer.
    let writes = Lane("writes", width: 1)
    /// Imports, exports and repairs, which take the writer a batch at a time: a save does not wait for their end.
    let long = Lane("long", width: 1, quality: .utility)
    /// Closing, which must not queue behind what it ends.
    let closing = Lane("closing", width: 1)
}
