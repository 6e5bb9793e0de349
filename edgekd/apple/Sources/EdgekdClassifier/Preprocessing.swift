import CEdgekd
import Foundation

/// From pixels to the model's input, byte for byte as in Python: edgekd_preprocess.h does the arithmetic.
public struct Preprocessing: Equatable, Sendable, Decodable {
    public enum Crop: String, Sendable, Decodable {
        case whole, center
    }

    /// The version of the specification that this package follows: that of a model's record must be the same.
    public static let specificationVersion = Int(EDGEKD_SPECIFICATION_VERSION)

    public let height: Int
    public let width: Int
    public let crop: Crop
    let resize: String
    let version: Int

    /// The input tensor, uint8 RGB [height][width][3], of pixels in memory. Throws PixelError.
    public func input(of pixels: UnsafeRawBufferPointer, shape: PixelShape) throws -> [UInt8] {
        guard let start = pixels.bindMemory(to: UInt8.self).baseAddress, let count = shape.byteCount,
              pixels.count >= count, let width = Int32(exactly: shape.width), let height = Int32(exactly: shape.height)
        else {
            throw PixelError(message: "\(shape.width) x \(shape.height) pixels with \(shape.stride) bytes a row are not in \(pixels.count) bytes")
        }
        var image = edgekd_image(
            pixels: start, stride: shape.stride, width: width, height: height, layout: shape.layout.code,
            orientation: Int32(truncatingIfNeeded: shape.orientation)
        )
        let target = edgekd_input(
            width: Int32(truncatingIfNeeded: self.width), height: Int32(truncatingIfNeeded: self.height),
            crop: Int32(crop == .center ? EDGEKD_CENTER : EDGEKD_WHOLE)
        )
        let scratchBytes = edgekd_scratch_bytes(&image, target)
        guard scratchBytes > 0 else {
            throw PixelError(message: "\(shape.width) x \(shape.height) pixels cannot become \(self.width) x \(self.height): there are more than 100,000,000, or none")
        }
        var scratch = [Int32](repeating: 0, count: scratchBytes / MemoryLayout<Int32>.stride + 1)
        var tensor = [UInt8](repeating: 0, count: self.width * self.height * 3)
        let status = edgekd_preprocess(&image, target, &scratch, scratch.count * MemoryLayout<Int32>.stride, &tensor)
        guard status == Int32(EDGEKD_OK) else { throw PixelError(message: "edgekd_preprocess refused the pixels: \(status)") }
        return tensor
    }

    /// The same of pixels with their bytes. Throws PixelError.
    public func input(of pixels: Pixels) throws -> [UInt8] {
        try pixels.bytes.withUnsafeBytes { try input(of: $0, shape: pixels.shape) }
    }
}

extension PixelLayout {
    var code: Int32 {
        switch self {
        case .grey: return Int32(EDGEKD_GREY)
        case .greyAlpha: return Int32(EDGEKD_GREY_ALPHA)
        case .rgb: return Int32(EDGEKD_RGB)
        case .bgr: return Int32(EDGEKD_BGR)
        case .rgba: return Int32(EDGEKD_RGBA)
        case .bgra: return Int32(EDGEKD_BGRA)
        case .rgbx: return Int32(EDGEKD_RGBX)
        case .bgrx: return Int32(EDGEKD_BGRX)
        case .cmyk: return Int32(EDGEKD_CMYK)
        }
    }
}
