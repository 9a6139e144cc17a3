// Planted fault: module tensor may use base alone.
#include "lckv/config/model.h"
