import Foundation

/// An encrypted book of contacts, deals and tasks in a folder of this device.
///
/// One `Book` serves the whole app: every call may be made from any task or actor. Calls that touch the store are `async`
/// and block neither the caller's thread nor Swift's concurrency pool. Reading never waits for writing.
///
/// Calls throw ``BookError`` and nothing else, each case of which is a decision for the app. After ``shutdown()`` they throw
/// ``BookError/Closed``. A read whose task is cancelled before its turn comes is not done and throws ``BookError/Cancelled``; a
/// save is finished, whatever happens to its task.
public final class Book: Sendable {
    let core: BlockingBook
    let lanes: Lanes
    let observers: Observers
    /// The sync that is under way; while it is held, no other one of this book can begin.
    let syncing = Locked<SyncSession?>(nil)
    /// Checking what came with a sync.
    let verification: Verification

    /// Makes a new book in a folder, which is created where it is missing.
    ///
    /// - Throws: ``BookError/BookExists`` where there is one; ``BookError/ReadOnly`` and ``BookError/NoSpace`` by the disk.
    public static func create(directory: URL, vault: Vault) async throws -> Book {
        let lanes = Lanes()
        return Book(try await lanes.writes.run { try BlockingBook.create(dir: directory.path, vault: vault) }, lanes)
    }

    /// Opens the book in a folder. It never creates one, so that a locked phone is not mistaken for an empty book.
    ///
    /// - Throws: ``BookError/NoBook`` where there is none, ``BookError/WrongKey``, ``BookError/Corrupt``,
    ///   ``BookError/UpgradeNeeded``.
    public static func open(directory: URL, vault: Vault) async throws -> Book {
        let lanes = Lanes()
        return Book(try await lanes.writes.run { try BlockingBook.open(dir: directory.path, vault: vault) }, lanes)
    }

    /// Makes a new book with a new key, which the vault keeps from now on.
    ///
    /// - Throws: what the vault throws; ``BookError/BookExists`` where there is a book.
    public static func create(directory: URL, vault: some KeyVault) async throws -> Book {
        try await create(directory: directory, vault: try await vault.create())
    }

    /// Opens a book with the key that the vault keeps.
    ///
    /// - Throws: ``BookError/KeyUnavailable`` while the device is locked: try again later. ``BookError/KeyLost`` where the key is
    ///   gone: that is not an empty book. And what opening with a ``Vault`` throws.
    public static func open(directory: URL, vault: some KeyVault) async throws -> Book {
        try await open(directory: directory, vault: try await vault.open())
    }

    private init(_ core: BlockingBook, _ lanes: Lanes) {
        self.core = core
        self.lanes = lanes
        observers = Observers()
        verification = Verification(core, lanes.long)
    }

    /// Ends long work, which rolls back, and closes the store. Returns when the store is closed, so that an app that is about
    /// to be suspended holds no lock on a file. Streams of changes end. Again does nothing.
    ///
    /// A call that is under way may still answer, or throw ``BookError/Closed``. A book that is let go closes too, but later:
    /// a program shuts its books down before it exits.
    public func shutdown() async {
        // The only error would be a fault of the core, and there is nothing left to do about one here.
        try? await lanes.closing.run { [self] in close() }
    }

    /// As ``shutdown()``, on the caller's thread.
    func close() {
        observers.end()
        verification.end()
        core.shutdown()
        // The store is closed; a sync that waits for its server still holds a lock on a file, which goes with its session.
        lanes.writes.drain()
        syncing.withLock { $0 = nil }
    }

    deinit {
        observers.end()
        verification.end()
        // Closing waits for the disk, which no thread of the app should.
        lanes.closing.later { [core] in core.shutdown() }
    }

    func read<Value: Sendable>(
        _ work: @escaping @Sendable (BlockingBook) throws -> Value
    ) async throws -> Value {
        if Task.isCancelled { throw BookError.Cancelled }
        let cancelled = Locked(false)
        return try await withTaskCancellationHandler {
            try await lanes.reads.run { [core] in
                if cancelled.withLock({ $0 }) { throw BookError.Cancelled }
                return try work(core)
            }
        } onCancel: {
            cancelled.withLock { $0 = true }
        }
    }

    func write<Value: Sendable>(
        _ work: @escaping @Sendable (BlockingBook) throws -> Value
    ) async throws -> Value {
        try await lanes.writes.run { [core] in try work(core) }
    }

    func long<Value: Sendable>(
        _ work: @escaping @Sendable (BlockingBook) throws -> Value
    ) async throws -> Value {
        try await lanes.long.run { [core] in try work(core) }
    }
}
