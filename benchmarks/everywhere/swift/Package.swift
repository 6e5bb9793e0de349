// swift-tools-version: 5.9
import PackageDescription

let package = Package(
    name: "Everywhere",
    dependencies: [.package(path: "../EdgekdClassifier")],
    targets: [
        .executableTarget(
            name: "Everywhere",
            dependencies: [
                .product(name: "EdgekdClassifier", package: "EdgekdClassifier"),
                .product(name: "EdgekdGolden", package: "EdgekdClassifier"),
            ],
            path: "."
        ),
    ]
)
