import Foundation

/// As much of a .tflite as its metadata needs. Source: TensorFlow Lite's schema and FlatBuffers' internals.
struct FlatbufferModel {
    private static let buffersField = 4
    private static let metadataField = 6

    private let content: Data

    init(_ content: Data) throws {
        // Offsets count from the first byte, also where the data is a part of other data.
        self.content = content.startIndex == 0 ? content : Data(content)
        guard content.count >= 8, self.content[4..<8].elementsEqual("TFL3".utf8) else {
            throw ModelError(message: content.isEmpty ? "The file is empty (0 bytes). Copy it again." : "This is not a .tflite file. Choose one that edgekd exported.")
        }
    }

    /// Where the buffer of this name lies. Throws ModelError where there is none.
    func metadata(named name: String) throws -> Range<Int> {
        let model = try table(at: 0)
        let entries = try tables(of: model, field: Self.metadataField)
        guard let entry = try entries.first(where: { try text(of: $0, field: 0) == name }) else {
            throw ModelError(message: "The file carries no record of its labels and preprocessing: another tool's model. Export the Keras model with: edgekd export")
        }
        let number = try field(of: entry, 1).map { Int(try uint32(at: $0)) } ?? 0
        let buffers = try tables(of: model, field: Self.buffersField)
        guard buffers.indices.contains(number), let range = try vector(of: buffers[number], field: 0) else { throw damaged }
        return range
    }

    private var damaged: ModelError {
        ModelError(message: "The file is damaged or cut short. Copy it again, or export it again.")
    }

    private func byte(_ at: Int) throws -> Int {
        guard content.indices.contains(at) else { throw damaged }
        return Int(content[at])
    }

    private func uint16(at place: Int) throws -> Int {
        let (low, high) = (try byte(place), try byte(place + 1))
        return low | (high << 8)
    }

    private func uint32(at place: Int) throws -> UInt32 {
        let (low, high) = (UInt32(try uint16(at: place)), UInt32(try uint16(at: place + 2)))
        return low | (high << 16)
    }

    private func table(at place: Int) throws -> Int {
        place + Int(try uint32(at: place))
    }

    /// Where a table's field lies; nil where it has none.
    private func field(of table: Int, _ number: Int) throws -> Int? {
        let fields = table - Int(Int32(bitPattern: try uint32(at: table)))
        let entry = 4 + 2 * number
        guard entry < (try uint16(at: fields)) else { return nil }
        let offset = try uint16(at: fields + entry)
        return offset == 0 ? nil : table + offset
    }

    /// The bytes of a vector of bytes, or of a string.
    private func vector(of table: Int, field number: Int) throws -> Range<Int>? {
        guard let place = try field(of: table, number) else { return nil }
        let start = try self.table(at: place)
        let count = Int(try uint32(at: start))
        guard start + 4 + count <= content.count else { throw damaged }
        return start + 4..<start + 4 + count
    }

    private func tables(of table: Int, field number: Int) throws -> [Int] {
        guard let place = try field(of: table, number) else { return [] }
        let start = try self.table(at: place)
        let count = Int(try uint32(at: start))
        guard start + 4 + 4 * count <= content.count else { throw damaged }
        return try (0..<count).map { try self.table(at: start + 4 + 4 * $0) }
    }

    private func text(of table: Int, field number: Int) throws -> String? {
        try vector(of: table, field: number).map { String(decoding: content[$0], as: UTF8.self) }
    }
}
