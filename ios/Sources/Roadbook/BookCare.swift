/// How the book stands, and its repair.
extension Book {
    /// How this device stands: what is on no other device yet, what was refused, what is in conflict. Its `disputed` counts what
    /// ``disputed(limit:)`` lists.
    public func status() async throws -> Status {
        try await read { try $0.status() }
    }

    /// The people of the workspace.
    public func people() async throws -> [Person] {
        try await read { try $0.people() }
    }

    /// The region whose national phone numbers are understood (ISO 3166-1, two letters); empty where none is set.
    public func region() async throws -> String {
        try await read { try $0.region() }
    }

    /// Sets the region.
    public func setRegion(_ region: String) async throws {
        try await write { try $0.setRegion(region: region) }
    }

    /// Checks the file and every document against its row, and changes nothing. Takes long on a large book.
    public func check() async throws -> [Finding] {
        try await long { try $0.check() }
    }

    /// Makes every derived row again from the documents. Takes long on a large book.
    @discardableResult
    public func rebuild() async throws -> RebuildReport {
        try await long { try $0.rebuild() }
    }

    /// Copies all that can be read of this book into `other`, a new one, unsent edits included: for a file that is damaged where
    /// ``rebuild()`` cannot help. This book stays as it is, and should not be used any more. Throws ``BookError/BookExists`` where
    /// `other` holds anything. Takes long on a large book.
    @discardableResult
    public func rescue(into other: Book) async throws -> RescueReport {
        try await long { [core = other.core] in try $0.rescue(to: core) }
    }

    /// Opens at most `limit` records that came whole from the server and were never opened; returns how many are left. With none
    /// left, every conflict is known. The book does it by itself after each sync; an app that syncs in the background and ends
    /// at once may call it until nothing is left.
    @discardableResult
    public func verifySome(limit: Int) async throws -> UInt64 {
        try await long { try $0.verifySome(limit: rows(limit)) }
    }
}
