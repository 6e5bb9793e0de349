@testable import EdgekdClassifier
import EdgekdGolden
import XCTest

/// The Swift around the C header, by facts that need no other file than the vectors.
final class PortTests: XCTestCase {
    /// A vector's pixels as a camera would store them, in every layout and orientation, with padded rows.
    func testEveryLayoutAndOrientationGivesTheSameInput() throws {
        let golden = try GoldenVectors.bundled()
        let vector = try XCTUnwrap(golden.vectors.first { $0.name == "png-rgb" })
        let upright = try XCTUnwrap(golden.pixels(of: vector))
        let wanted = try golden.preprocessing.input(of: upright)
        for orientation in 1...8 {
            for layout in [PixelLayout.rgb, .bgr, .rgba, .bgra, .rgbx, .bgrx] {
                let stored = store(upright, orientation: orientation, layout: layout)
                XCTAssertEqual(try golden.preprocessing.input(of: stored), wanted, "\(layout), orientation \(orientation)")
            }
        }
    }

    private func store(_ upright: Pixels, orientation: Int, layout: PixelLayout) -> Pixels {
        let swapped = orientation >= 5
        let flipX = [2, 3, 6, 7].contains(orientation)
        let flipY = [3, 4, 7, 8].contains(orientation)
        let isBGR = [PixelLayout.bgr, .bgra, .bgrx].contains(layout)
        let (width, height) = (upright.shape.width, upright.shape.height)
        let size = swapped ? (height, width) : (width, height)
        let step = layout.bytesPerPixel
        let shape = PixelShape(width: size.0, height: size.1, layout: layout, stride: size.0 * step + 5, orientation: orientation)
        var bytes = [UInt8](repeating: 255, count: shape.stride * shape.height)
        for y in 0..<height {
            for x in 0..<width {
                let u: Int = flipX ? width - 1 - x : x
                let v: Int = flipY ? height - 1 - y : y
                let at: Int = swapped ? u * shape.stride + v * step : v * shape.stride + u * step
                let from: Int = 3 * (y * width + x)
                for c in 0..<3 {
                    let to: Int = isBGR ? at + 2 - c : at + c
                    bytes[to] = upright.bytes[from + c]
                }
            }
        }
        return Pixels(bytes: bytes, shape: shape)
    }

    func testPixelsThatAreNotThereAreRefused() throws {
        let preprocessing = try GoldenVectors.bundled().preprocessing
        for shape in [
            PixelShape(width: 4, height: 4, layout: .rgb), PixelShape(width: 0, height: 4, layout: .rgb), PixelShape(width: 4, height: 2, layout: .rgb, stride: 11),
            PixelShape(width: -1, height: 1, layout: .rgb), PixelShape(width: 1, height: .max, layout: .rgb), PixelShape(width: 1, height: 2, layout: .rgb, stride: .max),
        ] {
            XCTAssertThrowsError(try preprocessing.input(of: Pixels(bytes: [UInt8](repeating: 0, count: 24), shape: shape)), "\(shape)")
        }
    }

    func testADamagedModelIsRefusedAndNeverCrashes() throws {
        let url = try BundledModel.url()
        try XCTSkipUnless(url.pathExtension == "tflite", "an .mlpackage has no hash of its own")
        let content = try Data(contentsOf: url)
        for size in stride(from: 0, to: content.count, by: max(1, content.count / 97)) {
            XCTAssertThrowsError(try ModelRecord(tflite: content.prefix(size)), "\(size) bytes")
        }
        for place in stride(from: 0, to: content.count, by: max(1, content.count / 97)) {
            var spoilt = content
            spoilt[place] ^= 0x55
            XCTAssertThrowsError(try ModelRecord(tflite: spoilt), "byte \(place)")
        }
    }

    func testDecisions() {
        let labels = ["a", "b", "c"]
        XCTAssertEqual(Decision().decide([0.2, 0.4, 0.4], labels: labels), [1])
        XCTAssertEqual(Decision(rejectBelow: 0.5).decide([0.2, 0.4, 0.4], labels: labels), [])
        XCTAssertEqual(Decision(noneLabel: "b").decide([0.2, 0.5, 0.3], labels: labels), [])
        let tags = Decision(task: .multiLabel, thresholds: [0.1, 0.6, 0.25])
        XCTAssertEqual(tags.decide([0.2, 0.5, 0.25], labels: labels), [0, 2])
        XCTAssertNotNil(Decision(noneLabel: "d").problem(with: labels))
        XCTAssertNotNil(Decision(task: .multiLabel, thresholds: [0.5]).problem(with: labels))
    }

    func testAClassifierRanksAndAnswers() throws {
        final class Fixed: ModelRuntime {
            func probabilities(of input: [UInt8]) -> [Float] { [0.1, 0.7, 0.2] }
        }
        let json = #"{"schema":1,"labels":["a","b","c"],"precision":"int8","preprocessing":{"height":2,"width":2,"crop":"whole","resize":"pillow-bilinear-antialias","version":1},"decision":{"task":"single-label","none_label":"b"}}"#
        let classifier = ImageClassifier(record: try ModelRecord(json: Data(json.utf8)), runtime: Fixed())
        let result = try classifier.classify(Pixels(bytes: [UInt8](repeating: 9, count: 12), shape: PixelShape(width: 2, height: 2, layout: .rgb)))
        XCTAssertEqual(result.ranked.map(\.label), ["b", "c", "a"])
        XCTAssertEqual(result.answer, [])
    }

    func testSHA256() {
        XCTAssertEqual(sha256(Data("abc".utf8)), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        XCTAssertEqual(sha256(Data(repeating: 0x61, count: 119)), "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb")
    }
}
