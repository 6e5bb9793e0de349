import Foundation

/// How an answer follows from probabilities, as a model's file says it; a file that says nothing has the default.
public struct Decision: Equatable, Sendable, Decodable {
    public enum Task: String, Sendable, Decodable {
        case singleLabel = "single-label"
        case multiLabel = "multi-label"
    }

    public let task: Task
    /// For tags alone: the least probability of each.
    public let thresholds: [Double]
    /// Where the most probable label is below it, none of them is the answer.
    public let rejectBelow: Double?
    /// A label that stands for none of the others.
    public let noneLabel: String?

    public init(task: Task = .singleLabel, thresholds: [Double] = [], rejectBelow: Double? = nil, noneLabel: String? = nil) {
        self.task = task
        self.thresholds = thresholds
        self.rejectBelow = rejectBelow
        self.noneLabel = noneLabel
    }

    private enum CodingKeys: String, CodingKey {
        case task, thresholds
        case rejectBelow = "reject_below"
        case noneLabel = "none_label"
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        task = try values.decode(Task.self, forKey: .task)
        thresholds = try values.decodeIfPresent([Double].self, forKey: .thresholds) ?? []
        rejectBelow = try values.decodeIfPresent(Double.self, forKey: .rejectBelow)
        noneLabel = try values.decodeIfPresent(String.self, forKey: .noneLabel)
    }

    /// The places of the labels that are the answer, in the file's order. Empty: the photo shows none of them.
    public func decide(_ probabilities: [Float], labels: [String]) -> [Int] {
        if task == .multiLabel {
            return probabilities.indices.filter { Double(probabilities[$0]) >= thresholds[$0] }
        }
        guard var top = probabilities.indices.first else { return [] }
        for place in probabilities.indices where probabilities[place] > probabilities[top] { top = place }
        if let rejectBelow, Double(probabilities[top]) < rejectBelow { return [] }
        return labels[top] == noneLabel ? [] : [top]
    }

    /// Why this rule cannot be used with these labels; nil where it can.
    func problem(with labels: [String]) -> String? {
        let wanted = task == .multiLabel ? labels.count : 0
        if thresholds.count != wanted { return "decision.thresholds has \(thresholds.count) entries for \(labels.count) labels" }
        if let noneLabel, !labels.contains(noneLabel) { return "decision.none_label is \(noneLabel), which is no label" }
        return nil
    }
}
