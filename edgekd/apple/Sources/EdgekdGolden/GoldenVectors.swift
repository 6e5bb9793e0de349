import EdgekdClassifier
import Foundation

/// What Python made of some photos, beside the model: `edgekd golden` describes it in SPECIFICATION.md.
public struct GoldenVectors {
    public struct Vector: Decodable {
        public struct File: Decodable {
            public let file: String
            public let sha256: String
        }

        public struct UprightPixels: Decodable {
            public let file: String?
            public let width: Int
            public let height: Int
        }

        public let name: String
        public let kind: String
        public let photo: File
        public let pixels: UprightPixels
        public let input: File
        public let probabilities: File
        public let answer: [String]
    }

    struct Manifest: Decodable {
        struct Artifact: Decodable {
            let file: String
        }

        struct Tolerance: Decodable {
            let other_runtime: Double
        }

        let artifact: Artifact
        let labels: [String]
        let preprocessing: Preprocessing
        let decision: Decision
        let tolerance: Tolerance
        let vectors: [Vector]
    }

    /// How many of `count` vectors are as in Python; the names of those that are not.
    public struct Result {
        public let count: Int
        public let different: [String]
        /// The largest difference in a value that was compared.
        public let largest: Double

        public var equal: Int { count - different.count }
    }

    public var labels: [String] { manifest.labels }
    public var preprocessing: Preprocessing { manifest.preprocessing }
    public var decision: Decision { manifest.decision }
    public var vectors: [Vector] { manifest.vectors }
    /// How far a probability may be off in another runtime than Python's.
    public var tolerance: Double { manifest.tolerance.other_runtime }

    private let folder: URL
    private let manifest: Manifest

    /// Those in this package.
    public static func bundled() throws -> GoldenVectors {
        guard let folder = Bundle.module.url(forResource: "Golden", withExtension: nil) else { throw CocoaError(.fileNoSuchFile) }
        return try GoldenVectors(folder: folder)
    }

    public init(folder: URL) throws {
        self.folder = folder
        manifest = try JSONDecoder().decode(Manifest.self, from: Data(contentsOf: folder.appendingPathComponent("manifest.json")))
    }

    public func content(of file: String) throws -> Data {
        try Data(contentsOf: folder.appendingPathComponent(file))
    }

    /// The upright RGB pixels that Python decoded; nil where only their hash is stored.
    public func pixels(of vector: Vector) throws -> Pixels? {
        guard let file = vector.pixels.file else { return nil }
        let shape = PixelShape(width: vector.pixels.width, height: vector.pixels.height, layout: .rgb)
        return Pixels(bytes: [UInt8](try content(of: file)), shape: shape)
    }

    public func probabilities(of vector: Vector) throws -> [Float] {
        try content(of: vector.probabilities.file).withUnsafeBytes { bytes in
            (0..<bytes.count / 4).map { place -> Float in
                let bits: UInt32 = bytes.loadUnaligned(fromByteOffset: 4 * place, as: UInt32.self)
                return Float(bitPattern: UInt32(littleEndian: bits))
            }
        }
    }

    /// The input tensors of Python's pixels, which must be equal byte for byte.
    public func checkInputs() throws -> Result {
        try check { vector in
            guard let pixels = try pixels(of: vector) else { return nil }
            return try difference(preprocessing.input(of: pixels), from: vector)
        }
    }

    /// The answers that follow from Python's probabilities.
    public func checkDecisions(of record: ModelRecord) throws -> Result {
        try check { vector in
            let answer = record.decision.decide(try probabilities(of: vector), labels: record.labels).map { record.labels[$0] }
            return answer == vector.answer ? 0 : 1
        }
    }

    /// A runtime's probabilities of Python's input tensors: within the tolerance, and finite.
    public func check(_ runtime: any ModelRuntime) throws -> Result {
        try check(tolerance: tolerance) { vector in
            let wanted = try probabilities(of: vector)
            let row = try runtime.probabilities(of: [UInt8](try content(of: vector.input.file)))
            guard row.count == wanted.count, row.allSatisfy(\.isFinite) else { return .infinity }
            var largest: Float = 0
            for place in row.indices { largest = max(largest, abs(row[place] - wanted[place])) }
            return Double(largest)
        }
    }

    #if canImport(ImageIO)
    /// The input tensors of photos as this device decodes them. ImageIO's JPEG differs from libjpeg's in single values,
    /// and where it converts colours in more: what is counted here bounds that, and proves nothing else.
    public func checkPhotos(tolerance: Double = 0) throws -> Result {
        try check(tolerance: tolerance) { vector in
            guard let pixels = try? Pixels(photo: content(of: vector.photo.file)) else { return .infinity }
            return try difference(preprocessing.input(of: pixels), from: vector)
        }
    }
    #endif

    private func difference(_ tensor: [UInt8], from vector: Vector) throws -> Double {
        let wanted = [UInt8](try content(of: vector.input.file))
        guard tensor.count == wanted.count else { return .infinity }
        var largest = 0
        for place in tensor.indices { largest = max(largest, abs(Int(tensor[place]) - Int(wanted[place]))) }
        return Double(largest)
    }

    /// `measure` gives how far a vector is off; nil leaves it out.
    private func check(tolerance: Double = 0, _ measure: (Vector) throws -> Double?) throws -> Result {
        var count = 0
        var largest = 0.0
        var different: [String] = []
        for vector in vectors {
            guard let distance = try measure(vector) else { continue }
            count += 1
            largest = max(largest, distance)
            if !(distance <= tolerance) { different.append(vector.name) }
        }
        return Result(count: count, different: different, largest: largest)
    }
}
