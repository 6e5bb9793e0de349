// How an answer follows from probabilities, as a model's file says it. Pure Dart.

/// The rule of a file; one that says nothing gives its most probable label.
class Decision {
  const Decision({
    this.isMultiLabel = false,
    this.thresholds = const <double>[],
    this.rejectBelow,
    this.noneLabel,
  });

  /// Reads the `decision` of a record or of a manifest of golden vectors; null gives the default. Throws FormatException.
  static Decision fromJson(Object? json, List<String> labels) {
    if (json == null) {
      return const Decision();
    }
    if (json is! Map<String, Object?>) {
      throw const FormatException('decision is not an object');
    }
    final Object? task = json['task'];
    if (task != 'multi-label' && task != 'single-label') {
      throw FormatException('decision.task is $task');
    }
    final List<double> thresholds = <double>[];
    for (final Object? value in (json['thresholds'] ?? const <Object?>[]) as List<Object?>) {
      thresholds.add((value as num).toDouble());
    }
    if (thresholds.length != (task == 'multi-label' ? labels.length : 0)) {
      throw FormatException('decision.thresholds has ${thresholds.length} entries for ${labels.length} labels');
    }
    final Object? rejectBelow = json['reject_below'];
    return Decision(
      isMultiLabel: task == 'multi-label',
      thresholds: thresholds,
      rejectBelow: rejectBelow == null ? null : (rejectBelow as num).toDouble(),
      noneLabel: json['none_label'] as String?,
    );
  }

  /// Whether each label is a tag by itself, so that any number of them may be the answer.
  final bool isMultiLabel;

  /// For tags alone: the least probability of each.
  final List<double> thresholds;

  /// Where the most probable label is below it, none of them is the answer.
  final double? rejectBelow;

  /// A label that stands for none of the others.
  final String? noneLabel;

  /// The labels of the answer, in the file's order; none where the photo shows none of them.
  List<String> decide(List<double> probabilities, List<String> labels) {
    final List<String> answer = <String>[];
    if (isMultiLabel) {
      for (int i = 0; i < labels.length; i++) {
        if (probabilities[i] >= thresholds[i]) {
          answer.add(labels[i]);
        }
      }
      return answer;
    }
    int top = 0;
    for (int i = 1; i < labels.length; i++) {
      if (probabilities[i] > probabilities[top]) {
        top = i;
      }
    }
    final double? least = rejectBelow;
    final bool isRejected = least != null && probabilities[top] < least;
    if (!isRejected && labels[top] != noneLabel) {
      answer.add(labels[top]);
    }
    return answer;
  }
}
