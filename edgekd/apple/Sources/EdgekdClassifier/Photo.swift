#if canImport(ImageIO)
import CoreGraphics
import CoreVideo
import Foundation
import ImageIO

extension Pixels {
    /// Decodes a photo's file by ImageIO, whose JPEG decoder rounds otherwise than libjpeg: a few values are off by one
    /// or two. Neither colours nor orientation are applied. Throws PixelError.
    public init(photo: Data) throws {
        guard let source = CGImageSourceCreateWithData(photo as CFData, nil), let image = CGImageSourceCreateImageAtIndex(source, 0, nil) else {
            throw PixelError(message: "The file is not a photo that this device decodes.")
        }
        let properties = CGImageSourceCopyPropertiesAtIndex(source, 0, nil) as? [CFString: Any]
        let orientation = (properties?[kCGImagePropertyOrientation] as? NSNumber)?.intValue ?? 1
        try self.init(image, orientation: orientation)
    }

    /// The pixels of an image as they lie in it, where edgekd knows their layout; else drawn over white.
    public init(_ image: CGImage, orientation: Int = 1) throws {
        guard image.width * image.height <= 100_000_000 else {
            throw PixelError(message: "\(image.width) x \(image.height) are more than 100,000,000 pixels")
        }
        if let layout = Self.layout(of: image), let data = image.dataProvider?.data as Data? {
            let shape = PixelShape(width: image.width, height: image.height, layout: layout, stride: image.bytesPerRow, orientation: orientation)
            self.init(bytes: [UInt8](data), shape: shape)
            return
        }
        let shape = PixelShape(width: image.width, height: image.height, layout: .rgbx, orientation: orientation)
        var bytes = [UInt8](repeating: 255, count: shape.stride * shape.height)
        let isRGB = image.colorSpace?.model == .rgb && image.colorSpace?.supportsOutput == true
        guard let space = isRGB ? image.colorSpace : CGColorSpace(name: CGColorSpace.sRGB) else {
            throw PixelError(message: "The photo's colours cannot be converted on this device.")
        }
        let isDrawn = bytes.withUnsafeMutableBytes { memory in
            let context = CGContext(
                data: memory.baseAddress, width: image.width, height: image.height, bitsPerComponent: 8,
                bytesPerRow: shape.stride, space: space, bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue
            )
            context?.draw(image, in: CGRect(x: 0, y: 0, width: image.width, height: image.height))
            return context != nil
        }
        guard isDrawn else { throw PixelError(message: "The photo's colours cannot be converted on this device.") }
        self.init(bytes: bytes, shape: shape, isAsStored: false)
    }

    private static func layout(of image: CGImage) -> PixelLayout? {
        guard image.bitsPerComponent == 8, image.decode == nil, !image.bitmapInfo.contains(.floatComponents) else { return nil }
        let order = image.bitmapInfo.intersection(.byteOrderMask)
        let isLittle = order == .byteOrder32Little
        guard isLittle || order.rawValue == 0 || order == .byteOrder32Big else { return nil }
        switch (image.colorSpace?.model, image.bitsPerPixel, image.alphaInfo, isLittle) {
        case (.monochrome, 8, .none, false): return .grey
        case (.rgb, 24, .none, false): return .rgb
        case (.rgb, 32, .noneSkipLast, false): return .rgbx
        case (.rgb, 32, .last, false): return .rgba
        case (.rgb, 32, .noneSkipFirst, true): return .bgrx
        case (.rgb, 32, .first, true): return .bgra
        default: return nil
        }
    }
}

extension ImageClassifier {
    /// A camera's frame as AVCaptureVideoDataOutput gives it with kCVPixelFormatType_32BGRA, without a copy.
    public func classify(_ frame: CVPixelBuffer, orientation: Int = 1) throws -> Classification {
        guard CVPixelBufferGetPixelFormatType(frame) == kCVPixelFormatType_32BGRA else {
            throw PixelError(message: "Ask the camera for kCVPixelFormatType_32BGRA.")
        }
        CVPixelBufferLockBaseAddress(frame, .readOnly)
        defer { CVPixelBufferUnlockBaseAddress(frame, .readOnly) }
        let stride = CVPixelBufferGetBytesPerRow(frame)
        let shape = PixelShape(
            width: CVPixelBufferGetWidth(frame), height: CVPixelBufferGetHeight(frame), layout: .bgrx, stride: stride,
            orientation: orientation
        )
        let bytes = UnsafeRawBufferPointer(start: CVPixelBufferGetBaseAddress(frame), count: stride * shape.height)
        return try classify(bytes, shape: shape)
    }
}
#endif
