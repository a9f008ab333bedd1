/// An id. `Tag` says of what, so that the id of a deal is never taken for that of a contact.
public struct Identifier<Tag>: Sendable, Hashable, CustomStringConvertible {
    /// The id as text: of records and people a UUID. Ids come from the book; a call that is given a text that is none throws
    /// ``BookError/Invalid(problems:)``.
    public let text: String

    /// The id with this text.
    public init(text: String) {
        self.text = text
    }

    /// The same as ``text``.
    public var description: String { text }
}

extension Identifier: Codable {
    /// Reads the text alone.
    public init(from decoder: any Decoder) throws {
        self.init(text: try decoder.singleValueContainer().decode(String.self))
    }

    /// Writes the text alone.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// What an ``Identifier`` is the id of, where that is a record of a known kind.
public protocol KindTag {
    /// The kind of record.
    static var kind: Kind { get }
}

/// Makes an ``Identifier`` the id of a contact.
public enum ContactTag: KindTag {
    /// `contact`.
    public static var kind: Kind { .contact }
}

/// Makes an ``Identifier`` the id of a deal.
public enum DealTag: KindTag {
    /// `deal`.
    public static var kind: Kind { .deal }
}

/// Makes an ``Identifier`` the id of a task.
public enum TaskTag: KindTag {
    /// `task`.
    public static var kind: Kind { .task }
}

/// Makes an ``Identifier`` the id of a record of any kind.
public enum RecordTag {}

/// Makes an ``Identifier`` the id of a person who uses the workspace.
public enum UserTag {}

/// Makes an ``Identifier`` the id of an entry of a record: a channel, an address, a custom field.
public enum EntryTag {}

/// Makes an ``Identifier`` the id of an action: what was saved at once, and is undone at once.
public enum ActionTag {}

/// Makes an ``Identifier`` the name of a field, or of one entry of it.
public enum FieldTag {}

extension Identifier where Tag: KindTag {
    /// The id alone, for calls that find the kind themselves.
    public var record: RecordId { RecordId(text: text) }

    /// Kind and id together, for calls that take records of any kind.
    public var link: RecordLink { RecordLink(kind: Tag.kind, id: record) }
}

extension RecordLink {
    /// The id as that of a contact; `nil` for another kind.
    public var contactId: ContactId? { kind == .contact ? Identifier(text: id.text) : nil }

    /// The id as that of a deal; `nil` for another kind.
    public var dealId: DealId? { kind == .deal ? Identifier(text: id.text) : nil }

    /// The id as that of a task; `nil` for another kind.
    public var taskId: TaskId? { kind == .task ? Identifier(text: id.text) : nil }
}
