/* The header by itself, as C99; twice. */
#include "mathnas.h"

mathnas_status header_as_c(void);
mathnas_status header_as_c(void) {
  mathnas_bindings bindings;
  return mathnas_bindings_init(&bindings, sizeof(bindings));
}
