#ifndef OTAFERRY_CMOSQUITTO_SHIM_H
#define OTAFERRY_CMOSQUITTO_SHIM_H
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include "tls.h"
#endif
