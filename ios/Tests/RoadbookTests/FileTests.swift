import Foundation
import Roadbook
import Testing

@Suite struct FileTests {
    private let folder: Folder
    private let book: Book

    init() async throws {
        folder = try Folder()
        book = try await folder.create()
    }

    @Test func aBrokenCardIsReportedAndTheRestIsTaken() async throws {
        let broken = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Half"
        let file = try folder.file("book.vcf", holding: cards(2) + broken)
        let report = try await book.importVCard(file: file)
        #expect(report.added == 2 && report.broken == 1 && !report.cancelled)
        let problem = try #require(report.problems.first)
        #expect(problem.file == file.path && problem.line == 11 && !problem.reason.isEmpty)
        let again = try await book.importVCard(file: file)
        #expect(again.added == 0 && again.unchanged == 2)
    }

    @Test func anImportReadsPhoneNumbersAsDialledInItsOwnRegion() async throws {
        let file = try folder.file("berlin.vcf", holding: "BEGIN:VCARD\nVERSION:3.0\nFN:Eva\nTEL:030 901820\nEND:VCARD\n")
        _ = try await book.importVCard(file: file, region: "DE")
        #expect(try await book.contacts().items.first?.channels.map(\.e164) == ["+4930901820"])
        #expect(try await book.region() == "")
    }

    @Test func progressStopsAnImport() async throws {
        let file = try folder.file("book.vcf", holding: cards(250))
        let report = try await book.importVCard(file: file) { $0.cards < 200 }
        #expect(report.cancelled && report.added == 200)
        #expect(try await book.status().records == 200)
    }

    @Test func cancellingTheTaskStopsAnImport() async throws {
        let file = try folder.file("book.vcf", holding: cards(250))
        let importing = Task { [book] in
            while !Task.isCancelled { await Task.yield() }
            return try await book.importVCard(file: file)
        }
        importing.cancel()
        let report = try await importing.value
        #expect(report.cancelled && report.added == 100)
    }

    @Test func aFileThatIsNotThereIsAnError() async throws {
        let file = folder.url.appendingPathComponent("none.vcf")
        do {
            _ = try await book.importVCard(file: file)
            Issue.record("a file that is not there was imported")
        } catch BookError.File(let what) {
            #expect(!what.isEmpty)
        }
    }

    @Test func whatIsExportedIsImported() async throws {
        _ = try await book.savedContact("Out")
        let file = folder.url.appendingPathComponent("out.vcf")
        #expect(try await book.exportVCard(file: file) == ExportReport(written: 1, leftOut: []))
        let other = try await folder.create("other")
        #expect(try await other.importVCard(file: file).added == 1)
        #expect(try await other.contacts().items.map(\.familyName) == ["Out"])
    }

    @Test func everyKindIsExportedAsJSON() async throws {
        let contact = try await book.savedContact("Out")
        let file = folder.url.appendingPathComponent("all.json")
        #expect(try await book.exportJSON(file: file).written == 1)
        let all = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: [[String: Any]]])
        #expect(Set(all.keys) == Set(Kind.allCases.map(\.name)))
        #expect(all["contact"]?.first?["id"] as? String == contact.id.text)
    }
}
