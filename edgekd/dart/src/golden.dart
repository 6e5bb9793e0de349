// A directory of golden vectors, read again by this port. Pure Dart.
import 'dart:convert';
import 'dart:typed_data';

import 'decision.dart';
import 'preprocess.dart';
import 'record.dart';

/// Gives the bytes of a file in a directory of golden vectors.
typedef ReadFile = Uint8List Function(String path);

/// Names of the vectors whose tensor or answer is another here than in Python; none if the port is right.
List<String> findWrongVectors(ReadFile read) {
  final Map<String, Object?> manifest = jsonDecode(utf8.decode(read('manifest.json'))) as Map<String, Object?>;
  final List<String> labels = <String>[];
  for (final Object? label in manifest['labels'] as List<Object?>) {
    labels.add(label as String);
  }
  final Preprocessing preprocessing = readPreprocessing(manifest['preprocessing'] as Map<String, Object?>);
  final Decision decision = Decision.fromJson(manifest['decision'], labels);
  final List<String> wrong = <String>[];
  for (final Object? item in manifest['vectors'] as List<Object?>) {
    final Map<String, Object?> vector = item as Map<String, Object?>;
    if (!_hasTensor(vector, preprocessing, read) || !_hasAnswer(vector, decision, labels, read)) {
      wrong.add(vector['name'] as String);
    }
  }
  return wrong;
}

Uint8List _file(Map<String, Object?> vector, String kind, ReadFile read) {
  final Map<String, Object?> entry = vector[kind] as Map<String, Object?>;
  return read(entry['file'] as String);
}

bool _hasTensor(Map<String, Object?> vector, Preprocessing preprocessing, ReadFile read) {
  final Map<String, Object?> entry = vector['pixels'] as Map<String, Object?>;
  final StoredPixels pixels = StoredPixels(
    width: entry['width'] as int,
    height: entry['height'] as int,
    bytes: _file(vector, 'pixels', read),
    layout: Layout.rgb,
  );
  final Uint8List tensor = preprocess(pixels, preprocessing);
  final Uint8List wanted = _file(vector, 'input', read);
  if (tensor.length != wanted.length) {
    return false;
  }
  for (int i = 0; i < wanted.length; i++) {
    if (tensor[i] != wanted[i]) {
      return false;
    }
  }
  return true;
}

bool _hasAnswer(Map<String, Object?> vector, Decision decision, List<String> labels, ReadFile read) {
  final ByteData view = ByteData.sublistView(_file(vector, 'probabilities', read));
  final Float32List probabilities = Float32List(labels.length);
  for (int i = 0; i < labels.length; i++) {
    probabilities[i] = view.getFloat32(4 * i, Endian.little);
  }
  final List<String> answer = decision.decide(probabilities, labels);
  final List<Object?> wanted = vector['answer'] as List<Object?>;
  if (answer.length != wanted.length) {
    return false;
  }
  for (int i = 0; i < answer.length; i++) {
    if (answer[i] != wanted[i]) {
      return false;
    }
  }
  return true;
}
