/* The header is all there is; a target needs a source file, which also compiles the header by itself. */
#include "edgekd_preprocess.h"
