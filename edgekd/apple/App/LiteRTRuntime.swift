// A part of the app, not of the package: LiteRT for iOS comes as a pod (pod 'TensorFlowLiteSwift'), which a package
// cannot depend on.
#if canImport(TensorFlowLite)
import EdgekdClassifier
import Foundation
import TensorFlowLite

/// Runs a .tflite of edgekd's on the CPU, by XNNPACK.
final class LiteRTRuntime: ModelRuntime {
    private let interpreter: Interpreter

    init(contentsOf url: URL, threads: Int = 1) throws {
        var options = Interpreter.Options()
        options.threadCount = threads
        options.isXNNPackEnabled = true
        interpreter = try Interpreter(modelPath: url.path, options: options)
        try interpreter.allocateTensors()
    }

    func probabilities(of input: [UInt8]) throws -> [Float] {
        try interpreter.copy(Data(input), toInputAt: 0)
        try interpreter.invoke()
        let output = try interpreter.output(at: 0)
        if output.dataType == .float32 {
            return output.data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        }
        guard output.dataType == .uInt8, let quantization = output.quantizationParameters else {
            throw PixelError(message: "The model gives neither floats nor bytes. Export it again with edgekd.")
        }
        return output.data.map { Float(Int($0) - quantization.zeroPoint) * quantization.scale }
    }
}
#endif
