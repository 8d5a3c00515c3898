print("otaferry-cloud")
