import Foundation

/// What computes: from the input tensor to one probability a label. LiteRTRuntime and CoreMLRuntime are two.
public protocol ModelRuntime: AnyObject {
    /// Probabilities in the order of the labels, of what ``Preprocessing/input(of:)`` gave. One call at a time.
    func probabilities(of input: [UInt8]) throws -> [Float]
}

public struct Score: Equatable, Sendable {
    public let label: String
    public let probability: Float
}

/// `ranked` has every label and begins with the best; `answer` is what an app acts by: one label, any number of tags,
/// or nothing, where the photo shows none of them. `inferenceMs` is the model alone, `totalMs` from pixels to answer.
public struct Classification: Sendable {
    public let ranked: [Score]
    public let answer: [Score]
    public let inferenceMs: Double
    public let totalMs: Double
}

/// A model with what runs it. Call it off the main thread; one call at a time runs, others wait.
public final class ImageClassifier: @unchecked Sendable {
    public let record: ModelRecord
    private let runtime: any ModelRuntime
    private let lock = NSLock()

    public init(record: ModelRecord, runtime: any ModelRuntime) {
        self.record = record
        self.runtime = runtime
    }

    public func classify(_ pixels: Pixels) throws -> Classification {
        try pixels.bytes.withUnsafeBytes { try classify($0, shape: pixels.shape) }
    }

    /// The same of pixels in memory, such as a camera's frame. Throws PixelError, and what the runtime throws.
    public func classify(_ pixels: UnsafeRawBufferPointer, shape: PixelShape) throws -> Classification {
        let start = DispatchTime.now()
        let input = try record.preprocessing.input(of: pixels, shape: shape)
        lock.lock()
        defer { lock.unlock() }
        let inference = DispatchTime.now()
        let probabilities = try runtime.probabilities(of: input)
        let inferenceMs = milliseconds(since: inference)
        guard probabilities.count == record.labels.count else {
            throw ModelError(message: "The model gave \(probabilities.count) values for \(record.labels.count) labels. Export it again with edgekd.")
        }
        let scores = zip(record.labels, probabilities).map(Score.init)
        let answer = record.decision.decide(probabilities, labels: record.labels).map { scores[$0] }
        let ranked = scores.sorted { $0.probability > $1.probability }
        return Classification(ranked: ranked, answer: answer, inferenceMs: inferenceMs, totalMs: milliseconds(since: start))
    }

    private func milliseconds(since start: DispatchTime) -> Double {
        Double(DispatchTime.now().uptimeNanoseconds - start.uptimeNanoseconds) / 1e6
    }
}

/// The model that `edgekd ios` put into this package.
public enum BundledModel {
    /// Where it lies: a .tflite, or an .mlpackage. Throws ModelError where there is none, or more than one.
    public static func url() throws -> URL {
        let folder = Bundle.module.url(forResource: "Model", withExtension: nil)
        let files = try folder.map { try FileManager.default.contentsOfDirectory(at: $0, includingPropertiesForKeys: nil) } ?? []
        let models = files.filter { ["tflite", "mlpackage"].contains($0.pathExtension) }
        guard models.count == 1 else {
            throw ModelError(message: "The package holds \(models.count) models. Write it again: edgekd ios RUN --into APP")
        }
        return models[0]
    }
}
