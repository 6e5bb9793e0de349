import EdgekdClassifier
import EdgekdGolden
import XCTest

/// The model of this package against what Python made of the same photos. Written by edgekd: it is replaced with the model.
final class GoldenTests: XCTestCase {
    private func open() throws -> (GoldenVectors, ModelRecord) {
        (try GoldenVectors.bundled(), try ModelRecord(contentsOf: BundledModel.url()))
    }

    func testTheRecordIsThatOfTheVectors() throws {
        let (golden, record) = try open()
        XCTAssertEqual(record.labels, golden.labels)
        XCTAssertEqual(record.preprocessing, golden.preprocessing)
        XCTAssertEqual(record.decision, golden.decision)
    }

    func testInputsAreThoseOfPythonByteForByte() throws {
        let (golden, _) = try open()
        let result = try golden.checkInputs()
        print("edgekd: inputs \(result.equal) of \(golden.vectors.count)")
        XCTAssertEqual(result.different, [])
        XCTAssertEqual(result.count, golden.vectors.count)
    }

    func testDecisionsAreThoseOfPython() throws {
        let (golden, record) = try open()
        let result = try golden.checkDecisions(of: record)
        print("edgekd: decisions \(result.equal) of \(golden.vectors.count)")
        XCTAssertEqual(result.different, [])
    }

    #if canImport(CoreML)
    func testCoreMLGivesPythonsProbabilities() async throws {
        let (golden, record) = try open()
        let url = try BundledModel.url()
        try XCTSkipUnless(url.pathExtension == "mlpackage", "LiteRT is a part of the app: test it there by GoldenVectors.check")
        let result = try golden.check(try await CoreMLRuntime.open(url, record: record, computeUnits: .cpuOnly))
        print("edgekd: Core ML \(result.equal) of \(result.count), largest difference \(result.largest)")
        XCTAssertEqual(result.different, [])
    }
    #endif

    #if canImport(ImageIO)
    func testPhotosAreDecodedNearlyAsInPython() throws {
        let (golden, _) = try open()
        for kind in Set(golden.vectors.map(\.kind)).sorted() {
            let names = golden.vectors.filter { $0.kind == kind }.map(\.name)
            let different = try golden.checkPhotos().different.filter(names.contains)
            print("edgekd: \(kind) \(names.count - different.count) of \(names.count) by this device's decoder; others: \(different)")
        }
        // What Python stores without loss must come out as it is.
        XCTAssertFalse(try golden.checkPhotos().different.contains("png-rgb"))
    }
    #endif
}
