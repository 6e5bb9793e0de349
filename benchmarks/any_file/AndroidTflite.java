import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.tensorflow.lite.Interpreter;

/**
 * Android's own TensorFlow Lite on images: java AndroidTflite.java MODEL.tflite IMAGES.bin
 *
 * IMAGES.bin is uint8[N, H, W, 3] without a header. The last line printed is a JSON list of output rows.
 */
public class AndroidTflite {
    public static void main(String[] words) throws Exception {
        byte[] images = Files.readAllBytes(Path.of(words[1]));
        List<String> rows = new ArrayList<>();
        var options = new Interpreter.Options().setNumThreads(1);
        try (var interpreter = new Interpreter(direct(Files.readAllBytes(Path.of(words[0]))), options)) {
            int size = interpreter.getInputTensor(0).numBytes();
            var result = ByteBuffer.allocateDirect(interpreter.getOutputTensor(0).numBytes());
            FloatBuffer values = result.order(ByteOrder.nativeOrder()).asFloatBuffer();
            for (int begin = 0; begin < images.length; begin += size) {
                result.rewind();
                interpreter.run(direct(Arrays.copyOfRange(images, begin, begin + size)), result);
                float[] row = new float[values.capacity()];
                values.rewind().get(row);
                rows.add(Arrays.toString(row));
            }
        }
        System.out.println(rows);
    }

    private static ByteBuffer direct(byte[] bytes) {
        var buffer = ByteBuffer.allocateDirect(bytes.length).order(ByteOrder.nativeOrder()).put(bytes);
        buffer.rewind();
        return buffer;
    }
}
