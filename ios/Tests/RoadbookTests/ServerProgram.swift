#if os(Linux) || os(macOS)
import Foundation

/// The real server, as a process; its program lies beside the native library.
final class ServerProgram: Sendable {
    private struct Failed: Error {
        let what: String
    }

    private let data: URL
    private let process: Process
    let url: String

    /// A server with a workspace and these people.
    init(data: URL, people: [String]) throws {
        self.data = data
        _ = try Self.run(["workspace", "create", "--data", data.path, "Test"])
        for person in people {
            _ = try Self.run(["user", "add", "--data", data.path, "--workspace", "Test", "--role", "rep", person])
        }
        let output: Pipe
        (process, output) = try Self.start(["serve", "--data", data.path, "--listen", "127.0.0.1:0"])
        let said = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let address = said.firstMatch(of: /http:\/\/[^ \/\n]+/) else { throw Failed(what: "no address: \(said)") }
        url = String(address.output)
    }

    /// The code of an invitation, good once.
    func invite(_ person: String) throws -> String {
        let said = try Self.run(["invite", "--data", data.path, "--workspace", "Test", person])
        return said.split(whereSeparator: \.isNewline).last.map(String.init) ?? ""
    }

    func stop() {
        // A process of Foundation on Linux inherits blocked signals from the thread that starts it, and hears no other.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    private static func run(_ words: [String]) throws -> String {
        let (process, output) = try start(words)
        let said = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failed(what: words.joined(separator: " ")) }
        return String(decoding: said, as: UTF8.self)
    }

    private static func start(_ words: [String]) throws -> (Process, Pipe) {
        let (process, output) = (Process(), Pipe())
        process.executableURL = try folder().appendingPathComponent("roadbook-server")
        process.arguments = words
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        return (process, output)
    }

    /// That of the native library.
    private static func folder() throws -> URL {
        guard let library = try library() else { throw Failed(what: "the native library is not loaded") }
        return URL(fileURLWithPath: library).deletingLastPathComponent()
    }

    private static func library() throws -> String? {
        #if os(Linux)
        // Swift does not see `dladdr` of Glibc. The path is a line's last column.
        let maps = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/self/maps")).readToEnd() ?? Data()
        let line = String(decoding: maps, as: UTF8.self).split(whereSeparator: \.isNewline).first { $0.hasSuffix("/libroadbook_ffi.so") }
        return line.flatMap { line in line.firstIndex(of: "/").map { String(line[$0...]) } }
        #else
        var info = Dl_info()
        let symbol = dlsym(dlopen(nil, RTLD_NOW), "ffi_roadbook_ffi_uniffi_contract_version")
        guard let symbol, dladdr(symbol, &info) != 0 else { return nil }
        return info.dli_fname.map { String(cString: $0) }
        #endif
    }
}
#endif
