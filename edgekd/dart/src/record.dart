// What a .tflite of edgekd says of itself: labels, preprocessing, decision. Pure Dart, without a FlatBuffers library.
// Source: TensorFlow's schema.fbs; the numbers of fields are its.
import 'dart:convert';
import 'dart:typed_data';

import 'package:crypto/crypto.dart';

import 'decision.dart';
import 'preprocess.dart';

const String _seal = '"seal":"';
const int _sealLength = 64;
const int _uint8 = 3;

/// Everything that an app needs of a model's file.
class ModelRecord {
  const ModelRecord({
    required this.labels,
    required this.preprocessing,
    required this.decision,
    required this.precision,
    required this.outputScale,
    required this.outputZeroPoint,
  });

  /// Reads the record of a .tflite. Throws FormatException where the file is damaged or another tool's.
  static ModelRecord read(Uint8List model) {
    final _Flatbuffer flat = _Flatbuffer(model);
    try {
      final Uint8List? text = flat.metadata('EDGEKD');
      if (text == null) {
        throw const FormatException('the model carries no record of edgekd: it is another tool\'s');
      }
      if (!_isWhole(model)) {
        throw const FormatException('the model is damaged or edited since its export: copy it again, or export it again');
      }
      return _fromJson(jsonDecode(utf8.decode(text)) as Map<String, Object?>, flat);
    } on RangeError catch (error) {
      throw FormatException('the model is damaged ($error): copy it again, or export it again');
    }
  }

  static ModelRecord _fromJson(Map<String, Object?> json, _Flatbuffer flat) {
    if (json['schema'] != 1) {
      throw const FormatException('the model was written by another version of edgekd: export it again');
    }
    final List<String> labels = <String>[];
    for (final Object? label in json['labels'] as List<Object?>) {
      labels.add(label as String);
    }
    return ModelRecord(
      labels: labels,
      preprocessing: readPreprocessing(json['preprocessing'] as Map<String, Object?>),
      decision: Decision.fromJson(json['decision'], labels),
      precision: json['precision'] as String,
      outputScale: flat.outputScale(),
      outputZeroPoint: flat.outputZeroPoint(),
    );
  }

  final List<String> labels;
  final Preprocessing preprocessing;
  final Decision decision;
  final String precision;

  /// Where the output is bytes, how much one step of them is; null where it is float32.
  final double? outputScale;
  final int outputZeroPoint;

  /// Probabilities of bytes that the model gave, one a label; a float32 output holds them already.
  List<double> probabilitiesOf(Uint8List output) {
    final Float32List values = Float32List(output.length);
    for (int i = 0; i < output.length; i++) {
      values[i] = (output[i] - outputZeroPoint) * outputScale!;
    }
    return values;
  }

  /// The labels of the answer; none where the photo shows none of them.
  List<String> decide(List<double> probabilities) => decision.decide(probabilities, labels);
}

/// A `preprocessing` of a record or of a manifest of golden vectors. Throws FormatException where this port cannot do it.
Preprocessing readPreprocessing(Map<String, Object?> json) {
  final Object? crop = json['crop'];
  if (json['version'] != specificationVersion || (crop != 'whole' && crop != 'center')) {
    throw FormatException('the model asks for a preprocessing that this package does not know: $json');
  }
  return Preprocessing(
    width: json['width'] as int,
    height: json['height'] as int,
    crop: crop == 'center' ? Crop.center : Crop.whole,
  );
}

// Whether a file's bytes are those that were exported: the hash is taken with zeros in its own place.
bool _isWhole(Uint8List model) {
  final int at = _findSeal(model);
  if (at < 0 || at + _sealLength > model.length) {
    return false;
  }
  final Uint8List blank = Uint8List.fromList(model);
  for (int i = at; i < at + _sealLength; i++) {
    blank[i] = 48;
  }
  return sha256.convert(blank).toString() == ascii.decode(Uint8List.sublistView(model, at, at + _sealLength));
}

int _findSeal(Uint8List model) {
  final Uint8List wanted = ascii.encode(_seal);
  for (int at = 0; at + wanted.length <= model.length; at++) {
    int same = 0;
    while (same < wanted.length && model[at + same] == wanted[same]) {
      same++;
    }
    if (same == wanted.length) {
      return at + same;
    }
  }
  return -1;
}

// Just enough of FlatBuffers; what points out of the file is a RangeError.
class _Flatbuffer {
  _Flatbuffer(this.bytes) : view = ByteData.sublistView(bytes);

  final Uint8List bytes;
  final ByteData view;

  int follow(int at) => at + view.getUint32(at, Endian.little);

  // Where a field of a table is; 0 where it is absent.
  int field(int table, int slot) {
    final int vtable = table - view.getInt32(table, Endian.little);
    if (4 + 2 * slot + 2 > view.getUint16(vtable, Endian.little)) {
      return 0;
    }
    final int offset = view.getUint16(vtable + 4 + 2 * slot, Endian.little);
    return offset == 0 ? 0 : table + offset;
  }

  int number(int table, int slot) {
    final int at = field(table, slot);
    return at == 0 ? 0 : view.getInt32(at, Endian.little);
  }

  // Where a vector begins, at its number of items; 0 where it is absent.
  int vector(int table, int slot) {
    final int at = field(table, slot);
    return at == 0 ? 0 : follow(at);
  }

  int count(int table, int slot) {
    final int at = vector(table, slot);
    return at == 0 ? 0 : view.getUint32(at, Endian.little);
  }

  int item(int table, int slot, int index) {
    if (index >= count(table, slot)) {
      throw RangeError('item $index of ${count(table, slot)}');
    }
    return follow(vector(table, slot) + 4 + 4 * index);
  }

  Uint8List slice(int table, int slot) {
    final int start = vector(table, slot) + 4;
    return Uint8List.sublistView(bytes, start, start + count(table, slot));
  }

  Uint8List? metadata(String name) {
    final int model = follow(0);
    for (int i = 0; i < count(model, 6); i++) {
      final int entry = item(model, 6, i);
      if (utf8.decode(slice(entry, 0)) == name) {
        return slice(item(model, 4, number(entry, 1)), 0);
      }
    }
    return null;
  }

  // The quantization of the first output where it is uint8; 0 where it is not.
  int outputQuantization() {
    final int graph = item(follow(0), 2, 0);
    final int index = view.getInt32(vector(graph, 2) + 4, Endian.little);
    final int tensor = item(graph, 0, index);
    final int type = field(tensor, 1);
    if (type == 0 || view.getInt8(type) != _uint8) {
      return 0;
    }
    return vector(tensor, 4);
  }

  double? outputScale() {
    final int table = outputQuantization();
    return table == 0 ? null : view.getFloat32(vector(table, 2) + 4, Endian.little);
  }

  int outputZeroPoint() {
    final int table = outputQuantization();
    return table == 0 ? 0 : view.getInt32(vector(table, 3) + 4, Endian.little);
  }
}
