import Foundation

/// A model file that cannot be used; the message says what is wrong with it and what to do.
public struct ModelError: LocalizedError {
    public let message: String
    public var errorDescription: String? { message }
}

/// What a model file says of itself: no fact about a model stands in an app's code.
public struct ModelRecord: Equatable, Sendable {
    public let labels: [String]
    public let preprocessing: Preprocessing
    public let precision: String
    public let decision: Decision

    private struct Stored: Decodable {
        let schema: Int
        let labels: [String]
        let preprocessing: Preprocessing
        let precision: String
        let decision: Decision?
    }

    private static let exportAgain = "Export it again with edgekd."
    private static let sealKey = Data("\"seal\":\"".utf8)
    private static let sealLength = 64

    /// Reads the JSON that edgekd writes into every file. Throws ModelError.
    public init(json: Data) throws {
        let stored: Stored
        do {
            stored = try JSONDecoder().decode(Stored.self, from: json)
        } catch {
            throw ModelError(message: "The file's record cannot be used (\(error)). \(Self.exportAgain)")
        }
        guard stored.schema == 1 else {
            throw ModelError(message: "The file was written by another version of edgekd than this package knows. \(Self.exportAgain)")
        }
        let preprocessing = stored.preprocessing
        guard preprocessing.version == Preprocessing.specificationVersion, preprocessing.resize == "pillow-bilinear-antialias" else {
            throw ModelError(message: "The model asks for another preprocessing (\(preprocessing.resize), version \(preprocessing.version)) than this package has. Update the package: edgekd ios")
        }
        guard (1...8192).contains(preprocessing.width), (1...8192).contains(preprocessing.height), !stored.labels.isEmpty else {
            throw ModelError(message: "The file's record has no input or no labels. \(Self.exportAgain)")
        }
        let decision = stored.decision ?? Decision()
        if let problem = decision.problem(with: stored.labels) {
            throw ModelError(message: "The file's record cannot be used (\(problem)). \(Self.exportAgain)")
        }
        labels = stored.labels
        self.preprocessing = preprocessing
        precision = stored.precision
        self.decision = decision
    }

    /// Reads a .tflite or .mlpackage. Throws ModelError.
    public init(contentsOf url: URL) throws {
        if url.pathExtension == "mlpackage" {
            try self.init(json: CoreMLPackage.record(of: url))
            return
        }
        let content: Data
        do {
            content = try Data(contentsOf: url, options: .mappedIfSafe)
        } catch {
            throw ModelError(message: "\(url.lastPathComponent) cannot be read: \(error.localizedDescription)")
        }
        try self.init(tflite: content)
    }

    /// Reads a whole .tflite, and checks all of its bytes by the hash in its record. Throws ModelError.
    public init(tflite content: Data) throws {
        let range = try FlatbufferModel(content).metadata(named: "EDGEKD")
        let record = content.subdata(in: range)
        try Self.checkSeal(content, record: record, at: range.lowerBound)
        try self.init(json: record)
    }

    /// The record holds the SHA-256 of the file, computed with 64 zeros in its own place.
    private static func checkSeal(_ content: Data, record: Data, at start: Data.Index) throws {
        guard let key = record.range(of: sealKey), record.endIndex - key.upperBound >= sealLength else {
            throw ModelError(message: "The file's record has no hash. \(exportAgain)")
        }
        let place = start + key.upperBound..<start + key.upperBound + sealLength
        var blank = content
        blank.replaceSubrange(place, with: Data(repeating: UInt8(ascii: "0"), count: sealLength))
        guard sha256(blank) == String(decoding: content[place], as: UTF8.self) else {
            throw ModelError(message: "The file is damaged, cut short or edited since its export. Copy it again, or export it again.")
        }
    }
}
