#if os(iOS)
import EdgekdClassifier
import PhotosUI
import SwiftUI

/// One screen: choose a photo, see the answer and every label's probability.
struct ClassifierScreen: View {
    @StateObject private var state = ClassifierState()
    @State private var item: PhotosPickerItem?

    var body: some View {
        NavigationStack {
            List {
                if let photo = state.photo {
                    Image(uiImage: photo).resizable().scaledToFit().frame(maxHeight: 280).accessibilityLabel("The chosen photo")
                }
                if let result = state.result {
                    Section("Answer") {
                        Text(result.answer.isEmpty ? "None of these" : result.answer.map(\.label).joined(separator: ", ")).font(.title2)
                        Text("\(result.totalMs, specifier: "%.1f") ms, of which the model \(result.inferenceMs, specifier: "%.1f") ms").font(.footnote)
                    }
                    Section("Probabilities") {
                        ForEach(result.ranked, id: \.label) { score in
                            VStack(alignment: .leading) {
                                HStack {
                                    Text(score.label)
                                    Spacer()
                                    Text(score.probability, format: .percent.precision(.fractionLength(1)))
                                }
                                ProgressView(value: Double(min(max(score.probability, 0), 1)))
                            }
                            .accessibilityElement(children: .combine)
                        }
                    }
                }
                if let problem = state.problem {
                    Text(problem).foregroundStyle(.red)
                }
            }
            .navigationTitle("Classifier")
            .toolbar {
                PhotosPicker("Choose a photo", selection: $item, matching: .images)
            }
        }
        .onChange(of: item) { chosen in
            Task { await state.classify(chosen) }
        }
    }
}

@MainActor
final class ClassifierState: ObservableObject {
    @Published private(set) var photo: UIImage?
    @Published private(set) var result: Classification?
    @Published private(set) var problem: String?
    private var classifier: ImageClassifier?

    func classify(_ item: PhotosPickerItem?) async {
        guard let item else { return }
        (result, problem) = (nil, nil)
        do {
            guard let data = try await item.loadTransferable(type: Data.self) else { return }
            photo = UIImage(data: data)
            let opened: ImageClassifier
            if let classifier { opened = classifier } else { opened = try await Self.open() }
            classifier = opened
            result = try await Task.detached { try opened.classify(Pixels(photo: data)) }.value
        } catch {
            problem = error.localizedDescription
        }
    }

    /// The package's model: an .mlpackage runs by Core ML; for a .tflite the app has LiteRTRuntime.swift and its pod.
    private static func open() async throws -> ImageClassifier {
        let url = try BundledModel.url()
        let record = try ModelRecord(contentsOf: url)
        #if canImport(TensorFlowLite)
        if url.pathExtension == "tflite" {
            return ImageClassifier(record: record, runtime: try LiteRTRuntime(contentsOf: url))
        }
        #endif
        return ImageClassifier(record: record, runtime: try await CoreMLRuntime.open(url, record: record))
    }
}
#endif
