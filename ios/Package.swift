// swift-tools-version: 6.0

import Foundation
import PackageDescription

// The core: a binary for Apple's platforms where build-xcframework.sh has made one, or else the library that cargo built,
// which the linker finds with `-Xlinker -L<folder>`.
let framework = "RoadbookFFI.xcframework"
let packaged = FileManager.default.fileExists(atPath: "\(Context.packageDirectory)/\(framework)")

let package = Package(
    name: "Roadbook",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [
        .library(name: "Roadbook", targets: ["Roadbook"]),
    ],
    targets: [
        packaged
            ? .binaryTarget(name: "RoadbookFFI", path: framework)
            : .systemLibrary(name: "RoadbookFFI", path: "Sources/RoadbookFFI"),
        .target(
            name: "Roadbook",
            dependencies: ["RoadbookFFI"],
            linkerSettings: packaged ? [] : [.linkedLibrary("roadbook_ffi")]
        ),
        // Answers commands on its input: the other side of the tests that compare the languages.
        .executableTarget(name: "RoadbookProof", dependencies: ["Roadbook"]),
        .testTarget(name: "RoadbookTests", dependencies: ["Roadbook", "RoadbookProof"]),
    ],
    swiftLanguageModes: [.v6]
)
