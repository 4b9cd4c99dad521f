// The header by itself, as C++98; the functions of the two languages are the same.
#include "mathnas.h"

extern "C" mathnas_status header_as_c();

int main() {
  mathnas_bindings bindings;
  if (mathnas_bindings_init(&bindings, sizeof(bindings)) != MATHNAS_OK) return 1;
  return header_as_c() == MATHNAS_OK && bindings.struct_size == sizeof(bindings) ? 0 : 1;
}
