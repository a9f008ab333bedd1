/// Forms that survive the death of the app.
extension Book {
    /// Keeps a form that is being filled in, under a name, instead of an earlier one of that name.
    public func keepDraft(_ name: String, _ form: some Form) async throws {
        let form = form.edit
        try await write { try $0.keepDraft(name: name, form: form) }
    }

    /// The form kept under a name, with the version that it was read at; `nil` where there is none.
    public func draft(_ name: String) async throws -> Edit? {
        try await read { try $0.draft(name: name) }
    }

    /// Forgets the form kept under a name. Again does nothing.
    public func dropDraft(_ name: String) async throws {
        try await write { try $0.dropDraft(name: name) }
    }
}
