// From pixels to a model's input, byte for byte what edgekd's Python gives: steps 2 b, 2 d, 2 e and 3 to 5 of the
// written specification (golden/SPECIFICATION.md). Pure Dart.
import 'dart:typed_data';

/// The version of the specification that this port follows: that of a model's record must be the same.
const int specificationVersion = 1;

/// The part of a photo that a model sees: all of it, or the largest centred box.
enum Crop { whole, center }

/// The bytes of a pixel in the order of memory: A is not premultiplied, X is ignored, and CMYK is 0 for no ink.
enum Layout { grey, greyAlpha, rgb, bgr, rgba, bgra, rgbx, bgrx, cmyk }

// Bytes of a pixel, and which of them is red, green, blue and alpha (-1: none).
const Map<Layout, List<int>> _places = {
  Layout.grey: [1, 0, 0, 0, -1],
  Layout.greyAlpha: [2, 0, 0, 0, 1],
  Layout.rgb: [3, 0, 1, 2, -1],
  Layout.bgr: [3, 2, 1, 0, -1],
  Layout.rgba: [4, 0, 1, 2, 3],
  Layout.bgra: [4, 2, 1, 0, 3],
  Layout.rgbx: [4, 0, 1, 2, -1],
  Layout.bgrx: [4, 2, 1, 0, -1],
  Layout.cmyk: [4, 0, 1, 2, -1],
};

/// A model's input in pixels, and which part of a photo it shows.
class Preprocessing {
  const Preprocessing({required this.width, required this.height, this.crop = Crop.whole});

  final int width;
  final int height;
  final Crop crop;
}

/// Pixels as they are stored: [stride] bytes from one row to the next (0: rows without gaps), [orientation] as in Exif, 1
/// to 8 (any other value is taken as 1).
class StoredPixels {
  const StoredPixels({
    required this.width,
    required this.height,
    required this.bytes,
    this.layout = Layout.rgba,
    this.stride = 0,
    this.orientation = 1,
  });

  final int width;
  final int height;
  final Uint8List bytes;
  final Layout layout;
  final int stride;
  final int orientation;
}

/// The input tensor, [Preprocessing.height] x [Preprocessing.width] x 3 bytes of RGB. Throws ArgumentError where the bytes
/// are too few or the photo is too large.
Uint8List preprocess(StoredPixels pixels, Preprocessing target) {
  final _View view = _View.of(pixels, target);
  final List<_Taps> across = _weights(view.width, target.width);
  final List<_Taps> along = _weights(view.height, target.height);
  final int rowBytes = 3 * target.width;
  final Uint8List wide = Uint8List(3 * view.width);
  final Uint8List narrow = Uint8List(view.height * rowBytes);
  for (int y = 0; y < view.height; y++) {
    _readRow(pixels, view, y, wide);
    _shrink(wide, 3, narrow, y * rowBytes, 3, across);
  }
  final Uint8List out = Uint8List(target.height * rowBytes);
  for (int x = 0; x < rowBytes; x += 3) {
    _shrinkColumn(narrow, x, out, rowBytes, along);
  }
  return out;
}

// What is seen of the pixels: steps over their bytes that go right and down in the upright box.
class _View {
  const _View(this.start, this.right, this.down, this.width, this.height);

  final int start;
  final int right;
  final int down;
  final int width;
  final int height;

  // Steps 3 and 4.
  static _View of(StoredPixels pixels, Preprocessing target) {
    final int size = _places[pixels.layout]![0];
    final int stride = pixels.stride == 0 ? pixels.width * size : pixels.stride;
    _check(pixels, target, size, stride);
    final int exif = pixels.orientation;
    final bool swapped = exif >= 5 && exif <= 8;
    final bool flipX = exif == 2 || exif == 3 || exif == 6 || exif == 7;
    final bool flipY = exif == 3 || exif == 4 || exif == 7 || exif == 8;
    final int width = swapped ? pixels.height : pixels.width;
    final int height = swapped ? pixels.width : pixels.height;
    int boxWidth = width;
    int boxHeight = height;
    if (target.crop == Crop.center && width * target.height > height * target.width) {
      boxWidth = _atLeastOne(height * target.width ~/ target.height);
    } else if (target.crop == Crop.center) {
      boxHeight = _atLeastOne(width * target.height ~/ target.width);
    }
    int left = (width - boxWidth) ~/ 2;
    int top = (height - boxHeight) ~/ 2;
    if (flipX) {
      left = width - 1 - left;
    }
    if (flipY) {
      top = height - 1 - top;
    }
    final int right = swapped ? stride : size;
    final int down = swapped ? size : stride;
    final int start = left * right + top * down;
    return _View(start, flipX ? -right : right, flipY ? -down : down, boxWidth, boxHeight);
  }
}

void _check(StoredPixels pixels, Preprocessing target, int size, int stride) {
  final int width = pixels.width;
  final int height = pixels.height;
  if (width < 1 || height < 1 || width * height > 100000000) {
    throw ArgumentError('$width x $height is not the size of a photo of at most 100,000,000 pixels');
  }
  final int wanted = stride * (height - 1) + width * size;
  if (stride < width * size || pixels.bytes.length < wanted) {
    throw ArgumentError('${pixels.bytes.length} bytes, $stride a row, are too few for $width x $height');
  }
  if (target.width < 1 || target.width > 8192 || target.height < 1 || target.height > 8192) {
    throw ArgumentError('a model has an input of 1 to 8192 pixels a side');
  }
}

int _atLeastOne(int value) => value < 1 ? 1 : value;

// Steps 2 b, 2 d and 2 e of a row.
void _readRow(StoredPixels pixels, _View view, int y, Uint8List rgb) {
  final Uint8List bytes = pixels.bytes;
  final List<int> places = _places[pixels.layout]!;
  final bool isCmyk = pixels.layout == Layout.cmyk;
  int at = view.start + y * view.down;
  for (int x = 0; x < view.width; x++) {
    final int alpha = places[4] < 0 ? 255 : bytes[at + places[4]];
    final int ink = isCmyk ? 255 - bytes[at + 3] : 0;
    for (int c = 0; c < 3; c++) {
      final int value = bytes[at + places[1 + c]];
      if (isCmyk) {
        final int t = value * ink + 128;
        rgb[3 * x + c] = ink - ((t + (t >> 8)) >> 8);
      } else if (alpha == 255) {
        rgb[3 * x + c] = value;
      } else {
        rgb[3 * x + c] = (value * alpha + 255 * (255 - alpha) + 127) ~/ 255;
      }
    }
    at += view.right;
  }
}

// For one output of an axis: its first input, and weights in units of 2 ** -22.
class _Taps {
  const _Taps(this.first, this.weights);

  final int first;
  final List<int> weights;
}

// Step 5 a to d.
List<_Taps> _weights(int n, int m) {
  final double scale = n / m;
  final double support = scale > 1.0 ? scale : 1.0;
  final double inverse = 1.0 / support;
  final List<_Taps> taps = <_Taps>[];
  for (int i = 0; i < m; i++) {
    final double center = (i + 0.5) * scale;
    final double low = center - support + 0.5;
    final double high = center + support + 0.5;
    final int first = low > 0.0 ? low.toInt() : 0;
    final int end = high < n ? high.toInt() : n;
    final List<double> shares = <double>[];
    double sum = 0.0;
    for (int j = 0; j < end - first; j++) {
      final double x = ((j + first - center + 0.5) * inverse).abs();
      shares.add(x < 1.0 ? 1.0 - x : 0.0);
      sum += shares[j];
    }
    final List<int> weights = <int>[];
    for (final double share in shares) {
      weights.add((0.5 + share / sum * 4194304.0).toInt());
    }
    taps.add(_Taps(first, weights));
  }
  return taps;
}

int _toByte(int sum) {
  final int value = sum >> 22;
  return value > 255 ? 255 : value;
}

// Step 5 e of a row: samples are [step] apart, outputs [outStep] from [outAt] on.
void _shrink(Uint8List row, int step, Uint8List out, int outAt, int outStep, List<_Taps> taps) {
  int to = outAt;
  for (final _Taps tap in taps) {
    int red = 2097152;
    int green = 2097152;
    int blue = 2097152;
    int from = step * tap.first;
    for (final int weight in tap.weights) {
      red += row[from] * weight;
      green += row[from + 1] * weight;
      blue += row[from + 2] * weight;
      from += step;
    }
    out[to] = _toByte(red);
    out[to + 1] = _toByte(green);
    out[to + 2] = _toByte(blue);
    to += outStep;
  }
}

// Step 5 e of the column of pixels that begins at byte [at].
void _shrinkColumn(Uint8List rows, int at, Uint8List out, int rowBytes, List<_Taps> taps) {
  _shrink(Uint8List.sublistView(rows, at), rowBytes, out, at, rowBytes, taps);
}
