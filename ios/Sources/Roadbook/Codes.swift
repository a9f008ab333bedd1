/// A choice that is stored as a short code. A code that this release does not know is `unknown` and survives a save.
public protocol Code: Sendable, Hashable {
    /// The codes that this release knows, in their natural order.
    static var known: [Self] { get }

    /// The stored code.
    var code: String { get }

    /// A code that this release does not know.
    static func unknown(code: String) -> Self
}

extension Code {
    /// The choice with this code.
    public init(code: String) {
        self = Self.known.first { $0.code == code } ?? .unknown(code: code)
    }
}

extension Stage: Code {
    /// The stages of the default pipeline, in order.
    public static var known: [Stage] { [.new, .qualified, .proposal, .negotiation] }

    /// The stored code.
    public var code: String {
        switch self {
        case .new: "new"
        case .qualified: "qualified"
        case .proposal: "proposal"
        case .negotiation: "negotiation"
        case .unknown(let code): code
        }
    }
}

extension Outcome: Code {
    /// The outcomes of a deal.
    public static var known: [Outcome] { [.open, .won, .lost] }

    /// The stored code.
    public var code: String {
        switch self {
        case .open: "open"
        case .won: "won"
        case .lost: "lost"
        case .unknown(let code): code
        }
    }
}

extension TaskStatus: Code {
    /// Where a task can stand.
    public static var known: [TaskStatus] { [.open, .waiting, .done, .cancelled] }

    /// The stored code.
    public var code: String {
        switch self {
        case .open: "open"
        case .waiting: "waiting"
        case .done: "done"
        case .cancelled: "cancelled"
        case .unknown(let code): code
        }
    }
}

extension Priority: Code {
    /// How much a task can matter.
    public static var known: [Priority] { [.low, .normal, .high, .urgent] }

    /// The stored code.
    public var code: String {
        switch self {
        case .low: "low"
        case .normal: "normal"
        case .high: "high"
        case .urgent: "urgent"
        case .unknown(let code): code
        }
    }
}

extension ChannelKind: Code {
    /// The ways to reach somebody.
    public static var known: [ChannelKind] { [.phone, .email, .url, .messenger] }

    /// The stored code.
    public var code: String {
        switch self {
        case .phone: "phone"
        case .email: "email"
        case .url: "url"
        case .messenger: "messenger"
        case .unknown(let code): code
        }
    }
}

extension Kind: CaseIterable {
    /// Every kind of record.
    public static var allCases: [Kind] { [.contact, .deal, .task] }

    /// The stored name.
    public var name: String {
        switch self {
        case .contact: "contact"
        case .deal: "deal"
        case .task: "task"
        }
    }
}
