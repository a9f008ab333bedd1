import Foundation
@testable import Roadbook

/// A folder that is gone with its test, the key of the books in it, and the books, which are closed then.
final class Folder: Sendable {
    let url: URL
    let vault = Vault(key: .random(32), incarnation: .random(16))
    private let books = Locked<[Book]>([])

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("roadbook-\(UUID().uuidString)", isDirectory: true)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        for book in books.withLock({ $0 }) { book.close() }
        try? FileManager.default.removeItem(at: url)
    }

    func create(_ name: String = "book") async throws -> Book {
        let book = try await Book.create(directory: url.appendingPathComponent(name), vault: vault)
        books.withLock { $0.append(book) }
        return book
    }

    func open() async throws -> Book {
        let book = try await Book.open(directory: url.appendingPathComponent("book"), vault: vault)
        books.withLock { $0.append(book) }
        return book
    }

    func file(_ name: String, holding text: String = "") throws -> URL {
        let file = url.appendingPathComponent(name)
        try Data(text.utf8).write(to: file)
        return file
    }
}

extension Data {
    static func random(_ count: Int) -> Data {
        Data((0..<count).map { _ in UInt8.random(in: 0...255) })
    }
}

extension Book {
    /// A contact called `name`, saved.
    func savedContact(_ name: String) async throws -> Contact {
        var contact = newContact()
        contact.familyName = name
        return try await save(contact)
    }
}

/// `count` cards that differ, as a vCard file.
func cards(_ count: Int) -> String {
    (0..<count).map { "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:card-\($0)\r\nFN:Card \($0)\r\nEND:VCARD\r\n" }.joined()
}

/// Whether `condition` came true within some seconds.
func eventually(_ condition: @Sendable () async throws -> Bool) async rethrows -> Bool {
    for _ in 0..<500 {
        if try await condition() { return true }
        try? await Task.sleep(for: .milliseconds(20))
    }
    return false
}

/// A number that several tasks raise.
final class Counter: Sendable {
    private let number = Locked(0)

    var count: Int { number.withLock { $0 } }

    func add() { number.withLock { $0 += 1 } }
}
