/// A choice that is stored as a short code. A code that this release does not know is `unknown` and survives a save.
public protocol Code: Sendable, Hashable {
    /// The codes that this release knows, in their natural order.
    static var known: [Self] { get }

    /// The stored code.
    var code: String { get }

    /// The choice with this code.
    init(code: String)
}

extension Stage: Code {
    /// The stages of the default pipeline, in order.
    public static var known: [Stage] { knownStages() }

    /// The stored code.
    public var code: String { stageCode(value: self) }

    /// The choice with this code.
    public init(code: String) { self = stageNamed(code: code) }
}

extension Outcome: Code {
    /// The outcomes of a deal.
    public static var known: [Outcome] { knownOutcomes() }

    /// The stored code.
    public var code: String { outcomeCode(value: self) }

    /// The choice with this code.
    public init(code: String) { self = outcomeNamed(code: code) }
}

extension TaskStatus: Code {
    /// Where a task can stand.
    public static var known: [TaskStatus] { knownTaskStatuses() }

    /// The stored code.
    public var code: String { taskStatusCode(value: self) }

    /// The choice with this code.
    public init(code: String) { self = taskStatusNamed(code: code) }
}

extension Priority: Code {
    /// How much a task can matter.
    public static var known: [Priority] { knownPriorities() }

    /// The stored code.
    public var code: String { priorityCode(value: self) }

    /// The choice with this code.
    public init(code: String) { self = priorityNamed(code: code) }
}

extension ChannelKind: Code {
    /// The ways to reach somebody.
    public static var known: [ChannelKind] { knownChannelKinds() }

    /// The stored code.
    public var code: String { channelKindCode(value: self) }

    /// The choice with this code.
    public init(code: String) { self = channelKindNamed(code: code) }
}

extension Kind: CaseIterable {
    /// Every kind of record that this release knows.
    public static var allCases: [Kind] { [.contact, .deal, .task] }

    /// The stored name.
    public var name: String {
        switch self {
        case .contact: "contact"
        case .deal: "deal"
        case .task: "task"
        case .unknown: "unknown"
        }
    }
}
