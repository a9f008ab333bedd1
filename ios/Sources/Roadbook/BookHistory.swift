/// What was changed, by whom, and what to do about it.
extension Book {
    /// The conflicts of one record: fields whose concurrent values differ.
    public func conflicts(_ id: RecordId) async throws -> [Conflict] {
        try await read { try $0.conflicts(id: id) }
    }

    /// The records that have conflicts. A conflict in a record that came whole from the server, as all do on a new device, is known
    /// when the record was opened or checked; ``sync(deadline:transport:)`` has that done in the background when it ends, and
    /// observers hear of it. Complete where ``verifySome(limit:)`` leaves none.
    public func disputed(limit: Int = 100) async throws -> [RecordLink] {
        try await read { try $0.disputed(limit: rows(limit)) }
    }

    /// Settles a conflict: the chosen value becomes the only one, on every device after sync.
    ///
    /// - Throws: ``BookError/Invalid(problems:)`` where it was settled meanwhile.
    public func settle(_ conflict: Conflict, _ value: ConflictValue) async throws {
        try await settle(conflict.id, value.id)
    }

    /// Settles a conflict by the ids of the conflict and of one of its values.
    public func settle(_ conflict: String, _ value: String) async throws {
        try await write { try $0.settle(conflict: conflict, value: value) }
    }

    /// The changes of a record, oldest first.
    public func history(_ id: RecordId) async throws -> [HistoryEntry] {
        try await read { try $0.history(id: id) }
    }

    /// Undoes an own action; `nil` for the last one that was not undone yet. Fields that somebody changed since are left
    /// alone and reported; so is a whole record that is somebody else's now, where the role does not allow to delete it or to bring
    /// it back.
    ///
    /// - Throws: ``BookError/NothingToUndo``.
    @discardableResult
    public func undo(_ action: ActionId? = nil) async throws -> UndoReport {
        try await write { try $0.undo(action: action) }
    }

    /// The edits that the server refused. They stay until their user retries or discards them.
    public func refusals() async throws -> [Refusal] {
        try await read { try $0.refusals() }
    }

    /// Makes a refused edit again, on the record as it is now.
    ///
    /// - Throws: ``BookError/Invalid(problems:)`` where there is no such refusal any more, and where nothing of the edit can be
    ///   made again, for instance since the record was erased: such a refusal can only be discarded.
    public func retry(_ refusal: Refusal) async throws {
        try await write { try $0.retry(refusal: refusal.id) }
    }

    /// Forgets a refused edit.
    ///
    /// - Throws: ``BookError/Invalid(problems:)`` where there is no such refusal any more.
    public func discard(_ refusal: Refusal) async throws {
        try await write { try $0.discard(refusal: refusal.id) }
    }
}
