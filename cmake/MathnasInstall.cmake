# Installation: headers by floor, libraries, CMake package, pkg-config.
