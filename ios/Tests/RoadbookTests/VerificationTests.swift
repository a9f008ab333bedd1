#if os(Linux) || os(macOS)
import Foundation
@testable import Roadbook
import Testing

/// What came whole from the server is opened in the background, between devices that meet through the real server.
@Suite struct VerificationTests {
    private func done(_ end: SyncEnd) {
        guard case .done = end else {
            Issue.record("ended with \(end)")
            return
        }
    }

    @Test(.timeLimit(.minutes(2))) func aNewDeviceShowsTheConflictsOfOthersWhenItHasSynced() async throws {
        let folder = try Folder()
        let server = try ServerProgram(data: folder.url.appendingPathComponent("server"), people: ["Anna", "Boris", "Clara"])
        defer { server.stop() }
        func join(_ person: String) async throws -> Book {
            let book = try await folder.create(person)
            done(try await book.join(url: server.url, invite: server.invite(person), deviceName: "\(person)'s phone"))
            return book
        }
        let (anna, boris) = (try await join("Anna"), try await join("Boris"))
        var deal = anna.newDeal()
        deal.title = "Pumps"
        deal = try await anna.save(deal)
        for book in [anna, boris] { done(try await book.sync()) }
        for (book, title) in [(anna, "Two pumps"), (boris, "Three pumps")] {
            var form = try await book.deal(deal.id)
            form.title = title
            _ = try await book.save(form)
        }
        for book in [anna, boris, anna, boris] { done(try await book.sync()) }
        #expect(try await anna.disputed() == [deal.id.link])

        let clara = try await join("Clara")
        #expect(try await eventually { try await !clara.disputed().isEmpty })
        #expect(try await clara.disputed() == [deal.id.link])
        #expect(try await clara.status().disputed == 1)
    }

    @Test(.timeLimit(.minutes(2))) func manyRecordsAreCheckedToTheLastOne() async throws {
        let folder = try Folder()
        let server = try ServerProgram(data: folder.url.appendingPathComponent("server"), people: ["Anna", "Boris"])
        defer { server.stop() }
        let anna = try await folder.create("anna")
        _ = try await anna.importVCard(file: folder.file("many.vcf", holding: cards(230)))
        done(try await anna.join(url: server.url, invite: server.invite("Anna"), deviceName: "Anna's phone"))
        let boris = try await folder.create("boris")
        done(try await boris.join(url: server.url, invite: server.invite("Boris"), deviceName: "Boris's phone"))
        #expect(try await eventually { try boris.core.verifySome(limit: 0) == 0 })
        #expect(try await boris.contacts(limit: 1000).items.count == 230)
    }
}
#endif
