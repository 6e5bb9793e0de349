// swift-tools-version: 5.9
import PackageDescription

let package = Package(
    name: "EdgekdClassifier",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [
        // For the app: the code, and the model in Sources/EdgekdClassifier/Model.
        .library(name: "EdgekdClassifier", targets: ["EdgekdClassifier"]),
        // For the app's tests alone: golden vectors, which must not be shipped.
        .library(name: "EdgekdGolden", targets: ["EdgekdGolden"]),
    ],
    targets: [
        .target(name: "CEdgekd"),
        .target(name: "EdgekdClassifier", dependencies: ["CEdgekd"], resources: [.copy("Model")]),
        .target(name: "EdgekdGolden", dependencies: ["EdgekdClassifier"], resources: [.copy("Golden")]),
        .testTarget(name: "EdgekdClassifierTests", dependencies: ["EdgekdClassifier", "EdgekdGolden"]),
    ]
)
