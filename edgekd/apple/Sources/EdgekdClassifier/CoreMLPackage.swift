import Foundation

/// As much of an .mlpackage as its metadata needs. Source: coremltools' Model.proto and the protocol buffers encoding.
enum CoreMLPackage {
    private struct Manifest: Decodable {
        struct Item: Decodable {
            let path: String
        }

        let itemInfoEntries: [String: Item]
        let rootModelIdentifier: String
    }

    /// The fields that lead to the metadata's entries: Model.description, .metadata, .userDefined.
    private static let way = [2, 100, 100]

    /// The JSON that edgekd wrote into the metadata. Throws ModelError.
    static func record(of package: URL) throws -> Data {
        let name = package.lastPathComponent
        var content: Data
        do {
            let manifest = try JSONDecoder().decode(Manifest.self, from: Data(contentsOf: package.appendingPathComponent("Manifest.json")))
            guard let item = manifest.itemInfoEntries[manifest.rootModelIdentifier] else { throw CocoaError(.fileReadCorruptFile) }
            content = try Data(contentsOf: package.appendingPathComponent("Data").appendingPathComponent(item.path), options: .mappedIfSafe)
        } catch {
            throw ModelError(message: "\(name) is not a whole .mlpackage: \(error.localizedDescription)")
        }
        for field in way.dropLast() {
            content = try fields(of: content).last { $0.number == field }?.value ?? Data()
        }
        for entry in try fields(of: content) where entry.number == way.last {
            let pair = try fields(of: entry.value)
            if pair.first(where: { $0.number == 1 })?.value == Data("edgekd".utf8), let json = pair.first(where: { $0.number == 2 })?.value {
                return json
            }
        }
        throw ModelError(message: "\(name) carries no record of its labels and preprocessing: another tool's model. Export the Keras model with: edgekd export --format coreml")
    }

    private struct Field {
        let number: Int
        let value: Data
    }

    /// The fields of a message that are bytes; others are skipped.
    private static func fields(of message: Data) throws -> [Field] {
        let bytes = Data(message)
        var at = 0
        var found: [Field] = []

        func number() throws -> Int {
            var value = 0
            for shift in stride(from: 0, to: 63, by: 7) {
                guard at < bytes.count else { break }
                let byte = Int(bytes[at])
                at += 1
                value |= (byte & 127) << shift
                if byte < 128 { return value }
            }
            throw ModelError(message: "The .mlpackage is damaged or cut short. Copy it again, or export it again.")
        }

        while at < bytes.count {
            let tag = try number()
            switch tag & 7 {
            case 0:
                // A negative number takes ten bytes, of which none is needed here.
                while at < bytes.count, bytes[at] >= 128 { at += 1 }
                at += 1
            case 1: at += 8
            case 5: at += 4
            case 2:
                let size = try number()
                guard size <= bytes.count - at else {
                    throw ModelError(message: "The .mlpackage is cut short. Copy it again, or export it again.")
                }
                found.append(Field(number: tag >> 3, value: bytes[at..<at + size]))
                at += size
            default: throw ModelError(message: "The .mlpackage is damaged. Copy it again, or export it again.")
            }
        }
        return found
    }
}
