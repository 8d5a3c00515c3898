print("otaferry")
