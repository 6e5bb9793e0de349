#if canImport(CoreML)
import CoreML
import Foundation

/// Runs an .mlpackage of edgekd's by Core ML: bytes 0...255 in a tensor of int32, since Core ML has none of bytes.
public final class CoreMLRuntime: ModelRuntime {
    private let model: MLModel
    private let input: MLMultiArray
    private let inputName: String
    private let outputName: String

    /// Compiles a package, which takes a moment, and loads it. Throws ModelError, and what Core ML throws.
    public static func open(_ package: URL, record: ModelRecord, computeUnits: MLComputeUnits = .all) async throws -> CoreMLRuntime {
        let compiled = try await MLModel.compileModel(at: package)
        let configuration = MLModelConfiguration()
        configuration.computeUnits = computeUnits
        return try CoreMLRuntime(MLModel(contentsOf: compiled, configuration: configuration), record: record)
    }

    public init(_ model: MLModel, record: ModelRecord) throws {
        guard let input = model.modelDescription.inputDescriptionsByName.first, let output = model.modelDescription.outputDescriptionsByName.first,
              let constraint = input.value.multiArrayConstraint, constraint.dataType == .int32
        else {
            throw ModelError(message: "The model does not take a tensor of int32. Export it again with edgekd.")
        }
        let size = [1, record.preprocessing.height, record.preprocessing.width, 3]
        guard constraint.shape.map(\.intValue) == size else {
            throw ModelError(message: "The model takes \(constraint.shape), and its record says \(size). Export it again with edgekd.")
        }
        self.model = model
        self.input = try MLMultiArray(shape: size.map { NSNumber(value: $0) }, dataType: .int32)
        inputName = input.key
        outputName = output.key
    }

    public func probabilities(of input: [UInt8]) throws -> [Float] {
        precondition(input.count == self.input.count, "give what Preprocessing.input(of:) returned")
        self.input.withUnsafeMutableBufferPointer(ofType: Int32.self) { values, _ in
            for place in input.indices { values[place] = Int32(input[place]) }
        }
        let features = try MLDictionaryFeatureProvider(dictionary: [inputName: MLFeatureValue(multiArray: self.input)])
        guard let output = try model.prediction(from: features).featureValue(for: outputName)?.multiArrayValue else {
            throw ModelError(message: "The model does not give a tensor. Export it again with edgekd.")
        }
        return MLShapedArray<Float>(output).scalars
    }
}
#endif
