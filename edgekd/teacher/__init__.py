"""Teachers: classifiers of any format that turn images into logits, and how one is trained for the user's classes.

protocol             what a teacher is
files                a file of ``[teacher]``: its format, and what it does not say itself
settings             ``[teacher]`` of a recipe
opening              from ``[teacher]`` to a fixed teacher (inference only): one file, or the average of several
keras_teacher        a Keras model as a teacher
file_network         an .onnx, a .tflite or a SavedModel, fed with photos
file_teacher         such a file as a teacher
encoder              such a file that gives vectors
encoder_teacher      encoders with heads as a teacher
encoder_heads        which heads, fitted on features and stored
network              what is known of a network in a file; its input's layout and size
onnx_network, tflite_network, saved_model_network     a network of that format
saved_model_file     the serving function of a SavedModel and its variables, read without running anything
saved_model_ops      the ops that a SavedModel may consist of
graph_facts          what the graph of a file says about its outputs, pixels and weights
pixels               from pixel values 0..255 to what a network is fed
average              several teachers as one; one teacher and its answer for the mirror image
mlp_head             a head with one hidden layer
transfer, head       training: a linear head on pooled features, then the last blocks
labelled_views       the photos of training, and what a frozen part of a network gives for their views
staged               training in stages, each kept only where held-out photos gain
cross_validation     the same where there are few validation photos
self_training        the head learns from the teacher's own confident answers
words                class words: text vectors of the classes, with which an encoder's features are compared
words_head           heads of class words alone, and with what a few labels add
class_prior          the classes' shares of the photos, estimated from answers
"""

from edgekd.teacher.average import AverageTeacher
from edgekd.teacher.protocol import Teacher
from edgekd.teacher.settings import TeacherFile, TeacherSection

__all__ = ["AverageTeacher", "Teacher", "TeacherFile", "TeacherSection"]
