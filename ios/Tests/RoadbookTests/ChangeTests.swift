import Foundation
@testable import Roadbook
import Testing

@Suite struct ChangeTests {
    private let folder: Folder
    private let book: Book

    init() async throws {
        folder = try Folder()
        book = try await folder.create()
    }

    @Test func aBurstIsOneNotice() async throws {
        let changes = book.changes()
        var edits: [Edit] = []
        for number in 0..<3 {
            var deal = book.newDeal()
            deal.title = "\(number)"
            edits.append(.save(deal))
        }
        try await book.apply(edits, why: "test")
        let contact = try await book.savedContact("A")
        let ids = edits.compactMap(\.deal).map(\.id.link)

        var notices = changes.makeAsyncIterator()
        let notice = try #require(await notices.next())
        #expect(Set(notice.kinds) == [.deal, .contact])
        #expect(Set(try #require(notice.records)) == Set(ids + [contact.id.link]))

        // Nothing is left of the burst: the next notice is of the next change.
        try await book.delete(contact.id)
        #expect(await notices.next() == ChangeNotice(kinds: [.contact], records: [contact.id.link]))
    }

    @Test func aStreamOfOneKindTellsOfThatKind() async throws {
        let changes = book.changes(.task)
        let contact = try await book.savedContact("A")
        var task = book.newTask()
        (task.title, task.links) = ("T", [contact.id.link])
        try await book.apply([.save(task), .delete(contact.id)], why: "test")
        var notices = changes.makeAsyncIterator()
        #expect(await notices.next() == ChangeNotice(kinds: [.task], records: [task.id.link]))
    }

    @Test func manyRecordsAreNotCounted() async throws {
        let changes = book.changes()
        let file = try folder.file("many.vcf", holding: cards(300))
        _ = try await book.importVCard(file: file)
        var notices = changes.makeAsyncIterator()
        #expect(await notices.next() == ChangeNotice(kinds: [.contact], records: nil))
    }

    @Test func aStreamEndsWithItsTask() async throws {
        let seen = Counter()
        let loop = Task { [book] in
            for await _ in book.changes() { seen.add() }
        }
        // The stream begins some time after the task.
        #expect(try await eventually {
            _ = try await book.savedContact("A")
            return seen.count > 0
        })
        loop.cancel()
        await loop.value
        let before = seen.count
        _ = try await book.savedContact("B")
        #expect(seen.count == before)
    }

    @Test func aStreamEndsWithTheBook() async throws {
        let changes = book.changes()
        async let ended: Void = { for await _ in changes {} }()
        await book.shutdown()
        await ended
    }

    @Test func commitsOfOtherProcessesAreNoticed() async throws {
        // A second book has connections of its own, as another process has.
        let other = try await folder.open()
        var notices = book.changes(.contact).makeAsyncIterator()
        _ = try await other.savedContact("A")
        #expect(await notices.next() == ChangeNotice(kinds: [.contact], records: nil))
        #expect(try await book.contacts().items.count == 1)
    }

    @Test(.timeLimit(.minutes(1))) func theLookAtOtherProcessesGoesOnAfterAFailure() async throws {
        let looks = Counter()
        let looking = Observers.look(every: .milliseconds(1)) {
            looks.add()
            throw looks.count < 5 ? BookError.Busy : BookError.Closed
        }
        await looking.value
        #expect(looks.count == 5)
    }
}
