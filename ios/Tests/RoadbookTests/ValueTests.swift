import Foundation
import Roadbook
import Testing

/// Ids, dates and codes: texts that have a type.
@Suite struct ValueTests {
    private let folder: Folder
    private let book: Book

    init() async throws {
        folder = try Folder()
        book = try await folder.create()
    }

    private func malformed(_ field: String, _ work: () async throws -> Void) async throws {
        do {
            try await work()
            Issue.record("it was taken for a text of the field \(field)")
        } catch BookError.Invalid(let problems) {
            #expect(problems == [Problem(field: field, code: .format)])
        }
    }

    @Test func aTextThatIsNoneIsAProblemOfItsField() async throws {
        try await malformed("id") { _ = try await book.deal(DealId(text: "no id")) }
        try await malformed("id") { _ = try await book.conflicts(RecordId(text: "")) }
        try await malformed("action") { try await book.undo(ActionId(text: "no action")) }

        var contact = try await book.savedContact("B")
        contact.birthday = "31.12.1999"
        try await malformed("date") { _ = try await book.save(contact) }
        contact.birthday = nil
        contact.x = [CustomField(id: EntryId(text: "no entry"), value: .flag(flag: true))]
        try await malformed("id") { _ = try await book.save(contact) }

        var task = book.newTask()
        task.title = "T"
        task.due = .plan(plan: ZonedPlan(local: "noon", zone: "Europe/Berlin"))
        try await malformed("time") { _ = try await book.save(task) }
        try await malformed("time") { try await book.apply([.save(task)], why: "test") }

        // The book goes on.
        #expect(try await book.contacts().items.count == 1)
        #expect(try await book.tasks().items.isEmpty)
    }

    @Test func idsAreTypes() throws {
        let deal = DealId(text: "01890a5d-ac96-774b-bcce-b302099a8057")
        #expect(deal.record == RecordId(text: deal.text))
        #expect(deal.link == RecordLink(kind: .deal, id: deal.record))
        #expect(deal.link.dealId == deal && deal.link.contactId == nil && deal.link.taskId == nil)
        #expect("\(deal)" == deal.text)
        #expect(type(of: deal) != ContactId.self)
        #expect(try JSONDecoder().decode([DealId].self, from: JSONEncoder().encode([deal])) == [deal])
    }

    @Test func codesAreChoicesAndUnknownOnesAreKept() {
        func check<Choice: Code>(_ choices: Choice.Type) {
            #expect(Choice.known.map { Choice(code: $0.code) } == Choice.known)
            let unknown = Choice(code: "new one")
            #expect(unknown.code == "new one" && !Choice.known.contains(unknown))
        }
        #expect(Stage.known.map(\.code) == ["new", "qualified", "proposal", "negotiation"])
        #expect(Outcome.known == [.open, .won, .lost] && Priority.known == [.low, .normal, .high, .urgent])
        check(Stage.self)
        check(Outcome.self)
        check(TaskStatus.self)
        check(Priority.self)
        check(ChannelKind.self)
        #expect(TaskStatus(code: "waiting") == .waiting && TaskStatus.waiting.code == "waiting")
        #expect(TaskStatus(code: "new one") == .unknown(code: "new one"))
    }
}
