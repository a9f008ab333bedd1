/// One record: new, read, saved, deleted.
extension Book {
    /// A contact with a new id, to be filled in and saved. Does not block.
    public func newContact() -> Contact { core.newContact() }

    /// A deal with a new id, to be filled in and saved. Does not block.
    public func newDeal() -> Deal { core.newDeal() }

    /// A task with a new id, to be filled in and saved. Does not block.
    public func newTask() -> TaskItem { core.newTask() }

    /// A new id for an entry of a record: a channel, an address. Does not block.
    public func newEntryId() -> EntryId { core.newEntryId() }

    /// A channel as a person typed it, with a new id; a phone number is read as dialled in the book's ``region()``.
    public func newChannel(_ kind: ChannelKind, _ value: String) async throws -> Channel {
        try await read { try $0.newChannel(kind: kind, value: value) }
    }

    /// The contact with this id, deleted or not.
    ///
    /// - Throws: ``BookError/NotFound(kind:id:)``, ``BookError/Unreadable(id:)``.
    public func contact(_ id: ContactId) async throws -> Contact {
        try await read { try $0.contact(id: id) }
    }

    /// The deal with this id, deleted or not, as ``contact(_:)``.
    public func deal(_ id: DealId) async throws -> Deal {
        try await read { try $0.deal(id: id) }
    }

    /// The task with this id, deleted or not, as ``contact(_:)``.
    public func task(_ id: TaskId) async throws -> TaskItem {
        try await read { try $0.task(id: id) }
    }

    /// What the page of a contact shows: the record, its conflicts, the rules that it breaks.
    public func contactSheet(_ id: ContactId) async throws -> ContactSheet {
        try await read { try $0.contactSheet(id: id) }
    }

    /// What the page of a deal shows.
    public func dealSheet(_ id: DealId) async throws -> DealSheet {
        try await read { try $0.dealSheet(id: id) }
    }

    /// What the page of a task shows.
    public func taskSheet(_ id: TaskId) async throws -> TaskSheet {
        try await read { try $0.taskSheet(id: id) }
    }

    /// The kind of the record with this id.
    public func kindOf(_ id: RecordId) async throws -> Kind {
        try await read { try $0.kindOf(id: id) }
    }

    /// Saves a form: what the user changed since the form's version is written, nothing else. Returns the merged record, from
    /// which the form goes on. Saving an unchanged record writes nothing.
    ///
    /// - Throws: ``BookError/Invalid(problems:)`` with everything that is wrong, ``BookError/StaleForm``,
    ///   ``BookError/NoSpace``.
    public func save(_ contact: Contact) async throws -> Contact {
        try await write { try $0.saveContact(record: contact) }
    }

    /// Saves a deal, as a contact.
    public func save(_ deal: Deal) async throws -> Deal {
        try await write { try $0.saveDeal(record: deal) }
    }

    /// Saves a task, as a contact.
    public func save(_ task: TaskItem) async throws -> TaskItem {
        try await write { try $0.saveTask(record: task) }
    }

    /// Saves and deletes several records as one action: all of them or none, one notice, one undo. `why` is a short word such
    /// as `call`, no free text.
    @discardableResult
    public func apply(_ edits: [Edit], why: String) async throws -> EditsApplied {
        try await write { try $0.apply(edits: edits, why: why) }
    }

    /// Deletes a record: it leaves the lists, and its history stays.
    public func delete(_ record: RecordLink) async throws {
        try await write { try $0.delete(record: record) }
    }

    /// Deletes the record with this id.
    public func delete<Tag: KindTag>(_ id: Identifier<Tag>) async throws {
        try await delete(id.link)
    }

    /// Erases a record for good: its values, its history and what waits to be sent; here at once, everywhere after sync. It
    /// cannot be undone. A rep gets `BookError.NotAllowed`.
    public func erase(_ record: RecordLink) async throws {
        try await write { try $0.erase(record: record) }
    }
}
