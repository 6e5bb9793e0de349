import Foundation

/// The bytes of a pixel in the order of memory: A is not premultiplied, X is ignored, CMYK is 0 for no ink.
public enum PixelLayout: CaseIterable, Sendable {
    case grey, greyAlpha, rgb, bgr, rgba, bgra, rgbx, bgrx, cmyk

    public var bytesPerPixel: Int {
        switch self {
        case .grey: return 1
        case .greyAlpha: return 2
        case .rgb, .bgr: return 3
        case .rgba, .bgra, .rgbx, .bgrx, .cmyk: return 4
        }
    }
}

/// How pixels lie in memory: rows from the top, `stride` bytes from one row to the next.
public struct PixelShape: Equatable, Sendable {
    public let width: Int
    public let height: Int
    public let stride: Int
    public let layout: PixelLayout
    /// Exif's, 1 to 8; any other value is taken as 1.
    public let orientation: Int

    public init(width: Int, height: Int, layout: PixelLayout, stride: Int? = nil, orientation: Int = 1) {
        self.width = width
        self.height = height
        self.stride = stride ?? width * layout.bytesPerPixel
        self.layout = layout
        self.orientation = orientation
    }

    /// The bytes that are read; nil where there is no such image.
    var byteCount: Int? {
        guard width > 0, height > 0, stride >= 0, width <= 100_000_000, height <= 100_000_000 else { return nil }
        let row = width * layout.bytesPerPixel
        let (rows, overflow) = stride.multipliedReportingOverflow(by: height - 1)
        return overflow || stride < row || rows > Int.max - row ? nil : rows + row
    }
}

/// Pixels with their bytes, such as a decoded photo's.
public struct Pixels: Sendable {
    public let shape: PixelShape
    public let bytes: [UInt8]
    /// Whether they are the file's own bytes; false where a decoder converted them (colours, alpha, 16 bits).
    public let isAsStored: Bool

    public init(bytes: [UInt8], shape: PixelShape, isAsStored: Bool = true) {
        self.bytes = bytes
        self.shape = shape
        self.isAsStored = isAsStored
    }
}

/// Pixels that cannot be taken; the message says why.
public struct PixelError: LocalizedError {
    public let message: String
    public var errorDescription: String? { message }
}
