/// The id of a record or a person. `Tag` says of what, so that the id of a deal is never taken for that of a contact.
public struct Identifier<Tag>: Sendable, Hashable, CustomStringConvertible {
    /// A UUID, as text. Ids come from the book; a text that is none is refused by the call that is given it.
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

/// What an ``Identifier`` of a record is the id of.
public protocol RecordTag {
    /// The kind of record.
    static var kind: Kind { get }
}

/// Makes an ``Identifier`` the id of a contact.
public enum ContactTag: RecordTag {
    /// `contact`.
    public static var kind: Kind { .contact }
}

/// Makes an ``Identifier`` the id of a deal.
public enum DealTag: RecordTag {
    /// `deal`.
    public static var kind: Kind { .deal }
}

/// Makes an ``Identifier`` the id of a task.
public enum TaskTag: RecordTag {
    /// `task`.
    public static var kind: Kind { .task }
}

/// Makes an ``Identifier`` the id of a person who uses the workspace.
public enum UserTag {}

extension Identifier where Tag: RecordTag {
    /// Kind and id together, for calls that take records of any kind.
    public var link: RecordLink { RecordLink(kind: Tag.kind, id: text) }
}

extension RecordLink {
    /// The id as that of a contact; `nil` for another kind.
    public var contactId: ContactId? { kind == .contact ? Identifier(text: id) : nil }

    /// The id as that of a deal; `nil` for another kind.
    public var dealId: DealId? { kind == .deal ? Identifier(text: id) : nil }

    /// The id as that of a task; `nil` for another kind.
    public var taskId: TaskId? { kind == .task ? Identifier(text: id) : nil }
}
