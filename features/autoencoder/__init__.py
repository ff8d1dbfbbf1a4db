"""M1 of Kingma, Mohamed, Rezende & Welling (NIPS 2014): features of a variational autoencoder."""
