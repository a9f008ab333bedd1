import Foundation
import Roadbook
@testable import RoadbookProof
import Testing

/// The program that other languages' tests drive.
@Suite struct ProofTests {
    @Test func commandsEditABookAndDumpIt() async throws {
        let folder = try Folder()
        let directory = folder.url.appendingPathComponent("phone").path
        var proof = Proof()
        func ok(_ line: String) async throws -> String {
            let answer = await proof.answer(line)
            try #require(answer.hasPrefix("ok"), "\(line): \(answer)")
            return String(answer.dropFirst(3))
        }

        _ = try await ok("create \(directory)")
        let deal = try await ok("add-deal Gro%C3%9Fe%20Pumpen")
        for change in ["value 1000.50%20EUR", "close_date 2026-12-31", "stage proposal", "tag b+c", "notes a%0Ab"] {
            #expect(try await ok("set-deal \(deal) \(change)") == deal)
        }
        let task = try await ok("add-task Call \(deal)")
        #expect(try await ok("find gro%C3%9Fe") == "deal:\(deal) Gro%C3%9Fe%20Pumpen")
        #expect(try await ok("conflicts \(deal)") == "[]")
        let file = try folder.file("a.vcf", holding: cards(1))
        #expect(try await ok("import \(file.path)") == "cards=1 added=1 updated=0 unchanged=0 broken=0")
        let sync = try await ok("sync")
        #expect(sync.hasPrefix("Rejoin requests=0 ") && sync.hasSuffix(" reason=NOT_JOINED"))
        let dump = try await ok("dump")
        let deals = #"{"close_date":"2026-12-31","id":"\#(deal)","notes":"a\nb","position":"proposal/open","tags":["b+c"],"#
            + #""title":"Große Pumpen","value":"100050 EUR"}"#
        let tasks = #""task":[{"id":"\#(task)","links":["deal:\#(deal)"],"priority":"normal","status":"open","title":"Call"}]"#
        #expect(dump.contains(deals) && dump.contains(tasks))
        _ = try await ok("open \(directory)")
        #expect(try await ok("dump") == dump)
        #expect(await proof.answer("quit") == "ok")
    }

    @Test func aFailureIsOneLineWithACode() async throws {
        let folder = try Folder()
        var proof = Proof()
        #expect(await proof.answer("dump") == "error BadCommand create or open a book first")
        #expect(await proof.answer("open \(folder.url.path)/none").hasPrefix("error KeyLost "))
        #expect(await proof.answer("create \(folder.url.path)/phone") == "ok")
        #expect(await proof.answer("add-deal").hasPrefix("error BadCommand "))
        #expect(await proof.answer("add-deal ").hasPrefix("error Invalid "))
        for line in ["set-deal none title A", "add-task A none", "conflicts none"] {
            #expect(await proof.answer(line).hasPrefix("error Invalid "))
        }
        #expect(await proof.answer("create %zz").hasPrefix("error BadCommand "))
        await proof.close()
    }

    @Test func theDumpHoldsEveryFormOfValueAndDeletedRecords() async throws {
        let folder = try Folder()
        let book = try await folder.create()
        var contact = book.newContact()
        contact.familyName = "Ёлкина"
        contact.tags = ["\u{FF5E}", "🙂", "a"]
        var phone = try await book.newChannel(.phone, "+49 30 901820")
        phone.id = EntryId(text: "chan")
        contact.channels = [phone]
        contact.addresses = [PostalAddress(
            id: EntryId(text: "addr"), label: nil, street: "", city: "Köln", region: "", postcode: "", country: ""
        )]
        contact.x = [
            CustomField(id: EntryId(text: "n"), value: .number(number: -1)),
            CustomField(id: EntryId(text: "f"), value: .flag(flag: false)),
            CustomField(id: EntryId(text: "t"), value: .text(text: "\"\\/\u{1}")),
        ]
        contact = try await book.save(contact)
        var task = book.newTask()
        task.title = "Call"
        task.due = .plan(plan: ZonedPlan(local: "2026-12-31T09:00", zone: "Europe/Berlin"))
        task = try await book.save(task)
        try await book.delete(contact.id)
        let deleted = try #require(try await book.contact(contact.id).deleted)

        let dump = try await book.dump()
        #expect(dump.hasPrefix(#"{"contact":[{"addresses":{"addr":{"city":"Köln","country":"","label":null,"#))
        for part in [
            #""channels":{"chan":{"e164":"+4930901820","extension":null,"kind":"phone","label":null,"preferred":false,"#,
            #""deleted":"\#(deleted.ms)+\#(deleted.offsetMinutes)""#,
            #""tags":["a","～","🙂"]"#,
            #""x":{"f":false,"n":-1,"t":"\"\\/\u0001"}"#,
            #""due":"2026-12-31T09:00[Europe/Berlin]","id":"\#(task.id)""#,
        ] {
            #expect(dump.contains(part), "\(part) is not in \(dump)")
        }
    }

    @Test func amountsAreReadByTheDecimalsOfTheirCurrency() {
        let amounts: [String: Int64?] = [
            "1000.50 EUR": 100_050, "1000.5 EUR": 100_050, "7 EUR": 700, "-0.5 EUR": -50, "1000 JPY": 1000, "1.234 KWD": 1234,
            "1.5 JPY": nil, "1.005 EUR": nil, "1000": nil, "x EUR": nil,
        ]
        for (text, minor) in amounts { #expect(Money(written: text)?.minor == minor, "\(text)") }
    }
}
