#ifndef OTAFERRY_CEXPAT_SHIM_H
#define OTAFERRY_CEXPAT_SHIM_H
#include <expat.h>
#endif
