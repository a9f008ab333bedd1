import Foundation
import Roadbook
import Testing

/// The fields that still have the value they have in a new record: a round trip of those would show nothing.
private func untouched(_ record: Any, _ new: Any) -> [String] {
    zip(Mirror(reflecting: record).children, Mirror(reflecting: new).children).compactMap { one, other in
        String(reflecting: one.value) == String(reflecting: other.value) ? one.label : nil
    }
}

@Suite struct RecordTests {
    private let folder: Folder
    private let book: Book
    private let owner = UserId(text: "01890a5d-ac96-774b-bcce-b302099a8057")

    init() async throws {
        folder = try Folder()
        book = try await folder.create()
    }

    private func custom() -> [CustomField] {
        [
            CustomField(id: EntryId(text: "a-size"), value: .number(number: -7)),
            CustomField(id: EntryId(text: "b-colour"), value: .text(text: "синий «1»")),
            CustomField(id: EntryId(text: "c-vip"), value: .flag(flag: true)),
        ]
    }

    @Test func anErasedRecordKeepsItsIdAndNothingThatSaysWhoItWas() async throws {
        var contact = book.newContact()
        contact.familyName = "Known"
        let saved = try await book.save(contact)
        try await book.erase(saved.id.link)
        let erased = try await book.contact(saved.id)
        #expect(erased.familyName.isEmpty && erased.deleted != nil)
        #expect(try await book.history(saved.id.record).count == 1)
    }

    @Test func everyFieldOfAContactComesBack() async throws {
        try await book.setRegion("DE")
        var contact = book.newContact()
        contact.givenName = "Ёлка"
        contact.middleName = "M"
        contact.familyName = "O’Neil"
        contact.namePrefix = "Dr."
        contact.nameSuffix = "Jr."
        contact.organization = "Müller & Söhne"
        contact.jobTitle = "Buyer"
        contact.owner = owner
        contact.tags = ["a", "b"]
        var phone = try await book.newChannel(.phone, "030 901820")
        phone.label = "work"
        phone.preferred = true
        let other = Channel(
            id: book.newEntryId(), kind: .unknown(code: "pager"), value: "77", e164: nil, extension: "12", label: nil,
            preferred: false
        )
        contact.channels = [phone, other]
        contact.addresses = [PostalAddress(
            id: book.newEntryId(), label: "home", street: "Weg 1\nHof", city: "Berlin", region: "BE", postcode: "10115",
            country: "DE"
        )]
        contact.birthday = "1980-02-29"
        contact.cardNote = "from a card"
        contact.notes = "line\nline 👍"
        contact.x = custom()
        #expect(untouched(contact, book.newContact()) == ["version", "deleted"])
        #expect(phone.e164 == "+4930901820")

        let saved = try await book.save(contact)
        #expect(!saved.version.isEmpty)
        contact.version = saved.version
        contact.channels.sort { $0.id.text < $1.id.text }
        var sorted = saved
        sorted.channels.sort { $0.id.text < $1.id.text }
        #expect(sorted == contact)
        #expect(try await book.contact(contact.id) == saved)
        #expect(try await book.contactSheet(contact.id).record == saved)

        let row = try #require(try await book.contacts().items.first)
        #expect(row.id == saved.id && row.givenName == "Ёлка" && row.channels == saved.channels && row.owner == owner)
        #expect(try await book.contacts(ContactFilter(owner: .person(id: owner))).items == [row])
        #expect(try await book.contacts(ContactFilter(owner: .nobody)).items.isEmpty)
    }

    @Test func everyFieldOfADealComesBack() async throws {
        let contact = try await book.savedContact("Buyer")
        var deal = book.newDeal()
        deal.title = "Pumps"
        deal.value = Money(minor: .max, currency: "EUR")
        deal.position = Position(stage: .unknown(code: "tender"), outcome: .lost)
        deal.closeDate = "2026-12-31"
        deal.owner = owner
        deal.organization = "Firm"
        deal.tags = ["x"]
        deal.contacts = [contact.id]
        deal.lostReason = "price"
        deal.notes = "n"
        deal.x = custom()
        #expect(untouched(deal, book.newDeal()) == ["version", "deleted"])

        let saved = try await book.save(deal)
        deal.version = saved.version
        #expect(saved == deal)
        #expect(try await book.deal(deal.id) == saved)
        #expect(try await book.dealSheet(deal.id).record == saved)
        #expect(try await book.deals(DealFilter(about: contact.id.record, tag: "x")).items.map(\.id) == [deal.id])
        #expect(try await book.deals(DealFilter(tag: "other")).items.isEmpty)
    }

    @Test func everyFieldOfATaskComesBack() async throws {
        let contact = try await book.savedContact("Buyer")
        var task = book.newTask()
        task.title = "Call"
        task.due = .plan(plan: ZonedPlan(local: "2026-12-31T09:00", zone: "Europe/Berlin"))
        task.priority = .urgent
        task.status = .unknown(code: "delegated")
        task.owner = owner
        task.links = [contact.id.link]
        task.tags = ["t"]
        task.notes = "n"
        task.x = custom()
        #expect(untouched(task, book.newTask()) == ["version", "deleted"])

        let saved = try await book.save(task)
        task.version = saved.version
        #expect(saved == task)
        #expect(try await book.task(task.id) == saved)
        #expect(try await book.taskSheet(task.id).record == saved)

        // An unknown code survives the change of another field.
        var form = saved
        form.due = .date(date: "2027-01-01")
        let again = try await book.save(form)
        #expect(again.status == .unknown(code: "delegated") && again.due == .date(date: "2027-01-01"))
    }

    @Test func aCopyIsChangedAndSaved() async throws {
        let first = try await book.savedContact("Before")
        var copy = first
        copy.familyName = "After"
        #expect(first.familyName == "Before")
        let saved = try await book.save(copy)
        #expect(saved.familyName == "After" && saved.version != first.version)
    }

    @Test func savingTwiceWritesNothing() async throws {
        let contact = try await book.savedContact("Once")
        let before = try await book.status()
        #expect(try await book.save(contact) == contact)
        #expect(try await book.apply([.save(contact)], why: "again").action == nil)
        #expect(try await book.status() == before)
        #expect(try await book.history(contact.id.record).count == 1)
    }

    @Test func anErrorTellsEverythingThatIsWrong() async throws {
        var deal = book.newDeal()
        deal.position.outcome = .lost
        deal.value = Money(minor: 1, currency: "XXQ")
        deal.organization = String(repeating: "o", count: 201)
        do {
            _ = try await book.save(deal)
            Issue.record("a deal without a title was saved")
        } catch BookError.Invalid(let problems) {
            #expect(Set(problems) == [
                Problem(field: "title", code: .required),
                Problem(field: "value", code: .unknownCurrency),
                Problem(field: "organization", code: .tooLong(max: 200)),
                Problem(field: "lost_reason", code: .required),
            ])
        }
        await #expect(throws: BookError.NotFound(kind: "deal", id: deal.id.text)) { try await book.deal(deal.id) }
    }

    @Test func severalEditsAreOneActionAndOneUndo() async throws {
        let gone = try await book.savedContact("Gone")
        var (deal, task) = (book.newDeal(), book.newTask())
        (deal.title, task.title, task.links) = ("D", "T", [deal.id.link])
        let applied = try await book.apply([.save(deal), .save(task), .delete(gone.id)], why: "call")
        #expect(applied.records.first?.deal?.title == "D" && applied.records[1].task?.title == "T")
        #expect(applied.deals.map(\.title) == ["D"] && applied.tasks.map(\.title) == ["T"] && applied.contacts.isEmpty)
        #expect(try await book.contact(gone.id).deleted != nil)
        #expect(try await book.contacts(ContactFilter(deleted: true)).items.map(\.id) == [gone.id])
        #expect(try await book.history(deal.id.record).map(\.kind) == ["call"])

        let undone = try await book.undo(applied.action)
        #expect(Set(undone.records) == [deal.id.link, task.id.link, gone.id.link] && undone.skipped.isEmpty)
        #expect(try await book.contacts().items.map(\.id) == [gone.id])
    }

    @Test func aNewBookHasNothingToUndo() async throws {
        await #expect(throws: BookError.NothingToUndo) { try await book.undo() }
    }

    @Test func listsComeInPagesAndSearchFinds() async throws {
        for name in ["Adler", "Bach", "Czerny"] { _ = try await book.savedContact(name) }
        let first = try await book.contacts(limit: 2)
        #expect(first.items.map(\.familyName) == ["Adler", "Bach"])
        let next = try #require(first.next)
        let second = try await book.contacts(after: next, limit: 2)
        #expect(second.items.map(\.familyName) == ["Czerny"] && second.next == nil)
        #expect(try await book.contacts(limit: -1).items.count == 1)
        let found = try await book.search("czer")
        #expect(found.map(\.headline) == ["Czerny"] && found.first?.record.contactId == second.items.first?.id)
        #expect(try await book.kindOf(try #require(found.first).record.id) == .contact)
    }

    @Test func draftsSurviveReopening() async throws {
        let saved = try await book.savedContact("Form")
        var form = saved
        form.jobTitle = "half typ"
        try await book.keepDraft("contact-form", form)
        await book.shutdown()

        let again = try await folder.open()
        let draft = try #require(try await again.draft("contact-form")?.contact)
        #expect(draft == form)
        #expect(try await again.save(draft).jobTitle == "half typ")
        try await again.dropDraft("contact-form")
        #expect(try await again.draft("contact-form") == nil)
    }

    @Test func aBookGoesOnInANewOne() async throws {
        let saved = try await book.savedContact("One")
        let other = try await folder.create("new")
        #expect(try await book.rescue(into: other) == RescueReport(records: 1, unreadable: [], incomplete: []))
        #expect(try await other.contact(saved.id) == saved)
        await #expect(throws: BookError.self) { try await book.rescue(into: other) }
    }

    @Test func theBookIsCheckedAndRebuilt() async throws {
        _ = try await book.savedContact("One")
        #expect(try await book.check().isEmpty)
        #expect(try await book.rebuild() == RebuildReport(records: 1, unreadable: []))
        #expect(try await book.verifySome(limit: 10) == 0)
        #expect(try await book.people().isEmpty)
        #expect(try await book.refusals().isEmpty)
        #expect(try await book.disputed().isEmpty)
        #expect(try await book.status().records == 1)
    }
}
