// For each folder of golden vectors that is named: which inputs and which answers differ from Python's, as JSON.
import EdgekdClassifier
import EdgekdGolden
import Foundation

struct Report: Encodable {
    let count: Int
    let inputs: [String]
    let answers: [String]
}

let reports = try CommandLine.arguments.dropFirst().map { path in
    let golden = try GoldenVectors(folder: URL(fileURLWithPath: path))
    let inputs = try golden.checkInputs()
    let answers = try golden.vectors.filter { vector in
        let places = golden.decision.decide(try golden.probabilities(of: vector), labels: golden.labels)
        return places.map { golden.labels[$0] } != vector.answer
    }
    return Report(count: inputs.count, inputs: inputs.different, answers: answers.map(\.name))
}
print(String(decoding: try JSONEncoder().encode(reports), as: UTF8.self))
