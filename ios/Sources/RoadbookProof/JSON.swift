/// A value as JSON on one line: objects with their keys sorted, no blanks, texts as UTF-8 with only the escapes that JSON asks
/// for. Equal values give equal texts, here and in every other language that follows these rules.
enum JSON {
    case null
    case flag(Bool)
    case number(Int64)
    case text(String)
    case array([JSON])
    case object([String: JSON])

    /// The text, or null where there is none.
    init(_ text: String?) {
        self = text.map(JSON.text) ?? .null
    }

    /// The texts, in their order.
    init(_ texts: [String]) {
        self = .array(texts.map(JSON.text))
    }

    /// Without the members that hold nothing: a dump does not tell a field that nobody filled from one that is newer than it.
    var filled: JSON {
        guard case .object(let members) = self else { return self }
        return .object(members.filter { !$0.value.isEmpty })
    }

    private var isEmpty: Bool {
        switch self {
        case .null: true
        case .flag, .number: false
        case .text(let text): text.isEmpty
        case .array(let items): items.isEmpty
        case .object(let members): members.isEmpty
        }
    }

    var written: String {
        var out = ""
        write(to: &out)
        return out
    }

    private func write(to out: inout String) {
        switch self {
        case .null:
            out += "null"
        case .flag(let flag):
            out += flag ? "true" : "false"
        case .number(let number):
            out += String(number)
        case .text(let text):
            Self.quote(text, to: &out)
        case .array(let items):
            out += "["
            for (at, item) in items.enumerated() {
                if at > 0 { out += "," }
                item.write(to: &out)
            }
            out += "]"
        case .object(let members):
            out += "{"
            for (at, key) in members.keys.sortedByBytes().enumerated() {
                if at > 0 { out += "," }
                Self.quote(key, to: &out)
                out += ":"
                members[key]?.write(to: &out)
            }
            out += "}"
        }
    }

    private static func quote(_ text: String, to out: inout String) {
        out += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case ..." " where scalar < " ":
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        out += "\""
    }
}

extension Sequence {
    /// In the order of their texts' UTF-8 bytes; Swift's own order takes texts for equal that are written differently.
    func sortedByBytes(_ text: (Element) -> String) -> [Element] {
        sorted { text($0).utf8.lexicographicallyPrecedes(text($1).utf8) }
    }
}

extension Sequence<String> {
    /// In the order of their UTF-8 bytes.
    func sortedByBytes() -> [String] { sortedByBytes { $0 } }
}
