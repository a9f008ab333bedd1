import Foundation
import Roadbook

/// A command that cannot be done, whatever the book says.
struct BadCommand: Error {
    let message: String
}

/// The book that the commands are about.
struct Proof {
    private var opened: Book?

    /// `ok …` or `error CODE MESSAGE`, on one line whatever happens.
    mutating func answer(_ line: String) async -> String {
        do {
            let words = try line.components(separatedBy: " ").map { word in
                guard let decoded = word.removingPercentEncoding else {
                    throw BadCommand(message: "not percent-encoded: \(word)")
                }
                return decoded
            }
            let answer = try await run(words[0], Array(words.dropFirst()))
            return answer.isEmpty ? "ok" : "ok \(answer)"
        } catch let error as BookError {
            return "error \(error.name) \(error.description.onOneLine)"
        } catch let error as BadCommand {
            return "error BadCommand \(error.message.onOneLine)"
        } catch {
            return "error Unknown \("\(error)".onOneLine)"
        }
    }

    mutating func close() async {
        await opened?.shutdown()
        opened = nil
    }

    private mutating func run(_ command: String, _ words: [String]) async throws -> String {
        func word(_ at: Int) throws -> String {
            guard at < words.count else { throw BadCommand(message: "\(command) needs more words") }
            return words[at]
        }
        switch command {
        case "create":
            let (directory, keys) = Self.places(try word(0))
            await close()
            opened = try await Book.create(directory: directory, vault: keys)
            return ""
        case "open":
            let (directory, keys) = Self.places(try word(0))
            await close()
            opened = try await Book.open(directory: directory, vault: keys)
            return ""
        case "quit":
            await close()
            return ""
        default:
            guard let opened else { throw BadCommand(message: "create or open a book first") }
            return try await opened.run(command, word)
        }
    }

    /// The book's folder, and beside it that of its keys.
    private static func places(_ path: String) -> (URL, FileKeyVault) {
        let directory = URL(fileURLWithPath: path, isDirectory: true)
        return (directory, FileKeyVault(directory: URL(fileURLWithPath: directory.path + ".keys", isDirectory: true)))
    }
}

extension Book {
    fileprivate func run(_ command: String, _ word: (Int) throws -> String) async throws -> String {
        switch command {
        case "join":
            return try await join(url: word(0), invite: word(1), deviceName: word(2)).written
        case "sync":
            return try await sync().written
        case "import":
            let report = try await importVCard(file: URL(fileURLWithPath: word(0)))
            return "cards=\(report.cards) added=\(report.added) updated=\(report.updated) unchanged=\(report.unchanged)"
                + " broken=\(report.broken)"
        case "find":
            return try await search(word(0)).map { "\($0.record.written) \($0.headline.percentEncoded)" }.joined(separator: " ")
        case "add-deal":
            var deal = newDeal()
            deal.title = try word(0)
            return try await save(deal).id.text
        case "add-task":
            var task = newTask()
            task.title = try word(0)
            task.links = [DealId(text: try word(1)).link]
            return try await save(task).id.text
        case "set-deal":
            var deal = try await deal(DealId(text: word(0)))
            try deal.set(word(1), (try? word(2)) ?? "")
            return try await save(deal).id.text
        case "conflicts":
            return JSON.array(try await conflicts(RecordId(text: word(0))).map(\.json)).written
        case "settle":
            let (field, text) = (try word(1), try word(2))
            guard let conflict = try await conflicts(RecordId(text: word(0))).first(where: { $0.field.text == field }) else {
                throw BadCommand(message: "no conflict about \(field)")
            }
            guard let value = conflict.values.first(where: { $0.text == text }) else {
                throw BadCommand(message: "nobody wrote that")
            }
            try await settle(conflict, value)
            return ""
        case "dump":
            return try await dump()
        default:
            throw BadCommand(message: "no such command: \(command)")
        }
    }
}

extension Deal {
    fileprivate mutating func set(_ field: String, _ text: String) throws {
        switch field {
        case "title": title = text
        case "value":
            value = Money(written: text)
            if value == nil, !text.isEmpty { throw BadCommand(message: "not an amount: \(text)") }
        case "close_date": closeDate = text.isEmpty ? nil : text
        case "organization": organization = text
        case "stage": position.stage = Stage(code: text)
        case "notes": notes = text
        case "tag": tags.append(text)
        default: throw BadCommand(message: "no such field: \(field)")
        }
    }
}

extension SyncEnd {
    fileprivate var written: String {
        switch self {
        case .done(let report): "Done \(report.written)"
        case .more(let report): "More \(report.written)"
        case .wait(let report, _, let reason): "Wait \(report.written) reason=\("\(reason)".upperSnake)"
        case .rejoin(let report, let reason): "Rejoin \(report.written) reason=\("\(reason)".upperSnake)"
        case .upgrade(let report): "Upgrade \(report.written)"
        case .stopped(let report): "Stopped \(report.written)"
        }
    }
}

extension Report {
    fileprivate var written: String {
        "requests=\(requests) bytes_up=\(bytesUp) bytes_down=\(bytesDown) pushed=\(pushed) pulled=\(pulled)"
            + " refused=\(refused) held=\(held) set_aside=\(setAside)"
    }
}

extension Conflict {
    fileprivate var json: JSON {
        .object([
            "field": JSON(field.text),
            "id": JSON(id),
            "values": .array(values.map { value in
                .object([
                    "author": JSON(value.author.name),
                    "id": JSON(value.id),
                    "own": .flag(value.author.own),
                    "shown": .flag(value.shown),
                    "text": JSON(value.text),
                ])
            }),
        ])
    }
}

extension BookError {
    /// The name of the case.
    fileprivate var name: String { String(String(describing: self).prefix { $0 != "(" }) }
}

extension String {
    fileprivate var onOneLine: String { split(whereSeparator: \.isNewline).joined(separator: " ") }

    /// `notTheServer` as `NOT_THE_SERVER`.
    fileprivate var upperSnake: String { map { $0.isUppercase ? "_\($0)" : $0.uppercased() }.joined() }

    fileprivate var percentEncoded: String {
        let plain = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
        return addingPercentEncoding(withAllowedCharacters: plain) ?? ""
    }
}
