/// A record that a form edits: ``Contact``, ``Deal`` or ``TaskItem``.
public protocol Form: Sendable {
    /// The form as a part of ``Book/apply(_:why:)``.
    var edit: Edit { get }
}

extension Contact: Form {
    /// Saves this contact.
    public var edit: Edit { .saveContact(record: self) }
}

extension Deal: Form {
    /// Saves this deal.
    public var edit: Edit { .saveDeal(record: self) }
}

extension TaskItem: Form {
    /// Saves this task.
    public var edit: Edit { .saveTask(record: self) }
}

extension EditsApplied {
    /// The saved contacts, merged, in the order of their edits.
    public var contacts: [Contact] { records.compactMap(\.contact) }

    /// The saved deals, merged, in the order of their edits.
    public var deals: [Deal] { records.compactMap(\.deal) }

    /// The saved tasks, merged, in the order of their edits.
    public var tasks: [TaskItem] { records.compactMap(\.task) }
}

extension Edit {
    /// Saves a record of any kind.
    public static func save(_ form: some Form) -> Edit { form.edit }

    /// Deletes a record.
    public static func delete<Tag: KindTag>(_ id: Identifier<Tag>) -> Edit { .delete(record: id.link) }

    /// The contact, where it is one that is saved.
    public var contact: Contact? {
        if case .saveContact(let record) = self { record } else { nil }
    }

    /// The deal, where it is one that is saved.
    public var deal: Deal? {
        if case .saveDeal(let record) = self { record } else { nil }
    }

    /// The task, where it is one that is saved.
    public var task: TaskItem? {
        if case .saveTask(let record) = self { record } else { nil }
    }
}
