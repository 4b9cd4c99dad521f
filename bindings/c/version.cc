#include "bindings/c/handles.h"
#include "bindings/c/mathnas.h"

uint32_t mathnas_api_version(void) { return MATHNAS_API_VERSION; }
const char* mathnas_version_string(void) { return MATHNAS_VERSION; }
uint32_t mathnas_live_handles(void) { return mathnas::c::LiveHandles(); }
